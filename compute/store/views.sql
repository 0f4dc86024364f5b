-- What pages, reports and notebooks ask a store for. Tables: those of compute/store/schema.py, and `explainers` (name,
-- position, baseline), which open_store() fills from the manifest. Macros: compute/store/measures.sql.

-- A case is an attempt that succeeded, seen together with its photo.
create view cases as
select a.*, p.name as photo_name, p.clean_index, p.clean_class, p.clean_confidence, p.target_index, p.target_class, p.size,
       p.hand_drawn, p.entropy, a.region_pixels / a.n_pixels as region_share
from attempts a join photos p using (photo_id)
where a.success;

-- One row a (case, method, n): the counts, and what they mean.
create view scores as
select case_id, explainer, unnest(range(1, 21))::utinyint as n, unnest(pixels) as pixels, unnest(hits) as hits
from explanations;

create view measures as
select s.case_id, c.photo_id, s.explainer, s.n, s.pixels, s.hits, c.region_pixels, c.n_pixels,
       jaccard_of(s.pixels, s.hits, c.region_pixels) as jaccard,
       hamming_of(s.pixels, s.hits, c.region_pixels, c.n_pixels) as hamming
from scores s join cases c using (case_id);

-- The ranks in cases that every ranked method has explained.
create view ranks as
select case_id, photo_id, explainer, unnest(range(1, 21))::utinyint as n, unnest(rank_jaccard) as rank_jaccard,
       unnest(rank_hamming) as rank_hamming
from case_methods where rank_jaccard is not null;

-- Sums per photo, the unit of all intervals (compute/reporting/statistics.py).
create view photo_sums as
select photo_id, explainer, cases * 20 as scores, list_sum(jaccard) as jaccard, list_sum(hamming) as hamming, ranked,
       rank_jaccard, rank_hamming
from photo_methods;

create view mean_ranks as
select explainer, sum(rank_jaccard) / nullif(sum(ranked), 0) as mean_rank_jaccard,
       sum(rank_hamming) / nullif(sum(ranked), 0) as mean_rank_hamming,
       sum(jaccard) / sum(scores) as mean_jaccard, sum(hamming) / sum(scores) as mean_hamming, sum(scores) as explanations
from photo_sums join explainers on name = explainer
group by explainer, position
order by position;

-- The mean Jaccard index over n of explanations that were asked for again, otherwise: controls, and other seeds.
create view control_scores as
select k.* exclude (pixels, hits), c.photo_id,
       list_avg([jaccard_of(x[1], x[2], c.region_pixels) for x in list_zip(k.pixels, k.hits)]) as jaccard
from controls k join cases c using (case_id);

create view repeat_scores as
select k.* exclude (pixels, hits), c.photo_id,
       list_avg([jaccard_of(x[1], x[2], c.region_pixels) for x in list_zip(k.pixels, k.hits)]) as jaccard
from repeats k join cases c using (case_id);

-- Over the seeds by which a method was asked, on the cases that all of them have: the standard deviation of its mean
-- Jaccard index, that of a case's, and the share of LIME's best five superpixels that two seeds have in common.
create view seed_spread as
with every as (
    select case_id, explainer, repeat, jaccard, overlap5 from repeat_scores
    union all
    select case_id, explainer, 0, mean_jaccard, null from case_methods
    where explainer in (select explainer from repeats)
), whole as (
    from every
    qualify count(*) over (partition by case_id, explainer) = max(repeat) over (partition by explainer) + 1
), by_seed as (
    select explainer, repeat, avg(jaccard) as mean from whole group by all
), by_case as (
    select explainer, case_id, var_samp(jaccard) as variance, avg(overlap5) as overlap5 from whole group by all
)
select explainer, (select count(*) from by_seed s where s.explainer = c.explainer) as seeds, count(*) as cases,
       (select stddev_samp(mean) from by_seed s where s.explainer = c.explainer) as sd, sqrt(avg(variance)) as case_sd,
       avg(overlap5) as overlap5
from by_case c
group by explainer;

-- Of the cases that two methods have explained, the share in which the first has the higher mean Jaccard index; ties
-- count half.
create view wins as
select explainer, rival, count(*) as cases, avg(case when own > other then 1.0 when own = other then 0.5 else 0 end) as won
from (
    select a.name as explainer, b.name as rival, mean_jaccard[a.position + 1] as own, mean_jaccard[b.position + 1] as other
    from case_lists, explainers a, explainers b
)
where own is not null and other is not null
group by all;

-- Cases with what they are filtered and ordered by: lists have an element a method, in the order of `explainers`.
create view case_board as
select c.*, l.* exclude (case_id) from cases c left join case_lists l using (case_id);
