"""The sample: a believable group with three monthly batches, made from a seed (`lettrage sample`)."""

from pipeline.sample.sample import write_sample

__all__ = ["write_sample"]
