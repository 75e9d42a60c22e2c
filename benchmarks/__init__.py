"""What things cost: `make bench` runs these and writes a report."""
