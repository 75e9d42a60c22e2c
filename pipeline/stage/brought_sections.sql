-- The sections that each named section brings to its combination, itself or inherited: one row per (combination,
-- named section, axis). Inheritance goes up to the first axis that the combination names itself; is_met marks what it
-- would have brought there.
-- In: combinations, named_sections, section_ancestors. Out: brought_sections. Spec: section 4, "Allocations".
with

members as (
    select distinct
        combination,
        unnest(named) as number
    from combinations
),

members_named as (
    select
        members.combination,
        members.number,
        named_sections.axis,
        named_sections.section,
        named_sections.is_known
    from members
    inner join named_sections on members.number = named_sections.number
),

named_axes as (
    select
        combination,
        axis,
        bool_or(is_known) as is_known
    from members_named
    group by combination, axis
),

led_to as (
    select
        members_named.combination,
        members_named.number,
        members_named.axis as named_axis,
        section_ancestors.ancestor_axis as axis,
        section_ancestors.ancestor as section,
        section_ancestors.distance,
        coalesce(named_axes.is_known, false) as is_known,
        if(named_axes.axis is null, null, section_ancestors.distance) as named_distance
    from members_named
    inner join section_ancestors
        on members_named.axis = section_ancestors.axis and members_named.section = section_ancestors.section
    left join named_axes
        on members_named.combination = named_axes.combination
            and section_ancestors.ancestor_axis = named_axes.axis
    where section_ancestors.distance > 0
),

-- The nearest axis above that the combination names itself, of the few sections that have one.
named_above as (
    select
        combination,
        number,
        min(named_distance) as named_at
    from led_to
    where named_distance is not null
    group by combination, number
)

select
    combination,
    number,
    axis as named_axis,
    axis,
    section,
    0 as distance,
    false as is_met
from members_named
where is_known

union all

select
    led_to.combination,
    led_to.number,
    led_to.named_axis,
    led_to.axis,
    led_to.section,
    led_to.distance,
    coalesce(led_to.distance = named_above.named_at, false) as is_met
from led_to
left join named_above
    on led_to.combination = named_above.combination and led_to.number = named_above.number
where
    named_above.named_at is null
    or led_to.distance < named_above.named_at
    or (led_to.distance = named_above.named_at and led_to.is_known)
