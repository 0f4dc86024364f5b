-- What the counts mean: the only place where measures and ranks are defined.
-- Tables: photos, attempts, explanations, scores, images, failures (compute/store/schema.py)
-- and `explainers` (name, position, baseline), which open_store() fills from the manifest.

-- A case is an attempt that succeeded, seen together with its photo.
create or replace view cases as
select a.*, p.name as photo_name, p.clean_index, p.clean_class, p.clean_confidence, p.size, p.hand_drawn,
       a.region_pixels / a.n_pixels as region_share
from attempts a join photos p using (photo_id)
where a.success;

-- Paper, equations 2 and 3. J = |P and C| / |P or C|; H = 1 - |P xor C| / N.
create or replace view measures as
select s.case_id, c.photo_id, s.explainer, s.n, s.pixels, s.hits, c.region_pixels, c.n_pixels,
       s.hits / (s.pixels + c.region_pixels - s.hits) as jaccard,
       1 - (s.pixels + c.region_pixels - 2 * s.hits) / c.n_pixels as hamming
from scores s join cases c using (case_id);

-- Cases that every ranked explainer has explained: a rank among fewer would not be comparable.
-- One that has explained no case at all (guided backpropagation of a network without ReLU, say) does not take part.
create or replace view complete_cases as
select case_id
from scores join explainers e on e.name = scores.explainer
where n = 1 and not e.baseline
group by case_id
having count(*) = (select count(distinct explainer) from scores join explainers on name = explainer where not baseline);

-- Rank among the ranked explainers of the same (case, n): 1 is best, ties share their average rank.
-- A self-join over the few explainers of a case: windows over millions of rows take several times as long.
create or replace view ranks as
with ranked as (
    from measures
    where case_id in (from complete_cases) and explainer in (select name from explainers where not baseline)
)
select a.case_id, a.photo_id, a.explainer, a.n,
       1 + count(*) filter (b.jaccard > a.jaccard) + (count(*) filter (b.jaccard = a.jaccard) - 1) / 2 as rank_jaccard,
       1 + count(*) filter (b.hamming > a.hamming) + (count(*) filter (b.hamming = a.hamming) - 1) / 2 as rank_hamming
from ranked a join ranked b on a.case_id = b.case_id and a.n = b.n
group by all;

-- Sums per photo, the unit of all intervals (compute/scoring/statistics.py).
create or replace view photo_sums as
with scored as (
    select photo_id, explainer, count(*) as scores, sum(jaccard) as jaccard, sum(hamming) as hamming
    from measures group by all
), ranked as (
    select photo_id, explainer, count(*) as ranked, sum(rank_jaccard) as rank_jaccard, sum(rank_hamming) as rank_hamming
    from ranks group by all
)
select photo_id, explainer, scores, jaccard, hamming, coalesce(ranked, 0) as ranked, rank_jaccard, rank_hamming
from scored left join ranked using (photo_id, explainer);

create or replace view mean_ranks as
select explainer, sum(rank_jaccard) / sum(ranked) as mean_rank_jaccard, sum(rank_hamming) / sum(ranked) as mean_rank_hamming,
       sum(jaccard) / sum(scores) as mean_jaccard, sum(hamming) / sum(scores) as mean_hamming, sum(scores) as explanations
from photo_sums join explainers on name = explainer
group by explainer, position
order by position;

-- One row a case and explainer: the best n and the mean over all n.
create or replace view case_scores as
select case_id, photo_id, explainer,
       max(jaccard) as best_jaccard, arg_max(n, row(jaccard, -n::integer)) as best_n, avg(jaccard) as mean_jaccard,
       max(hamming) as best_hamming, avg(hamming) as mean_hamming
from measures
group by case_id, photo_id, explainer;

-- Sums per photo of how far an explainer is above each baseline, on the cases that both have explained: where one has
-- failed on some, means over each one's own cases would compare different cases.
create or replace view baseline_sums as
select a.photo_id, a.explainer, e.position, b.explainer as baseline, count(*) as cases,
       sum(a.mean_jaccard - b.mean_jaccard) as jaccard
from case_scores a
join explainers e on e.name = a.explainer and not e.baseline
join case_scores b using (case_id)
join explainers f on f.name = b.explainer and f.baseline
group by a.photo_id, a.explainer, e.position, b.explainer;

-- Sums per photo of the ranks that the paper's three have among themselves, whoever else takes part (Table 1), on the
-- cases that all three have explained; empty where a store lacks one of them.
create or replace view paper_sums as
with three as (
    from measures where explainer in ('saliency', 'guided_backprop', 'lime')
    qualify count(*) over (partition by case_id, n) = 3
), ranked as (
    select a.photo_id, a.explainer,
           1 + count(*) filter (b.jaccard > a.jaccard) + (count(*) filter (b.jaccard = a.jaccard) - 1) / 2 as jaccard,
           1 + count(*) filter (b.hamming > a.hamming) + (count(*) filter (b.hamming = a.hamming) - 1) / 2 as hamming
    from three a join three b on a.case_id = b.case_id and a.n = b.n
    group by a.case_id, a.photo_id, a.explainer, a.n
)
select photo_id, explainer, count(*) as ranked, sum(jaccard) as rank_jaccard, sum(hamming) as rank_hamming
from ranked group by all;

-- Sums per photo of what scores a whole ranking, and of the attacks that P_1 undoes, where that was checked.
create or replace view measure_sums as
select photo_id, explainer, count(*) as cases, count(mass) as massed, count(undone) as checked,
       sum(jaccard_at_region) as jaccard_at_region, sum(rank_accuracy) as rank_accuracy,
       sum(chance_corrected) as chance_corrected, sum(auroc) as auroc, sum(average_precision) as average_precision,
       sum(pointing) as pointing, coalesce(sum(mass), 0) as mass, count(*) filter (undone[1]) as restored
from explanations join cases using (case_id)
group by photo_id, explainer;

-- Sums per photo of what an explanation scores above its controls: how specific it is to the prediction.
create or replace view specificity_sums as
select s.photo_id, s.explainer, count(*) filter (control = 'class') as class_cases,
       count(*) filter (control = 'photo') as photo_cases, count(correlation) filter (control = 'clean') as clean_cases,
       coalesce(sum(s.mean_jaccard - c.jaccard) filter (control = 'class'), 0) as specificity_class,
       coalesce(sum(s.mean_jaccard - c.jaccard) filter (control = 'photo'), 0) as specificity_photo,
       coalesce(sum(correlation) filter (control = 'clean'), 0) as clean_correlation
from case_scores s join controls c using (case_id, explainer)
group by s.photo_id, s.explainer;

-- Of the cases that two explainers have explained, the share in which the first has the higher mean Jaccard index; ties
-- count half.
create or replace view wins as
select a.explainer, b.explainer as rival, count(*) as cases,
       avg(case when a.mean_jaccard > b.mean_jaccard then 1.0 when a.mean_jaccard = b.mean_jaccard then 0.5 else 0 end) as won
from case_scores a join case_scores b using (case_id)
group by all;

-- How well LIME's linear surrogate fits a case's network, and of how many superpixels; diagnostics are text from outside.
create or replace view fits as
select case_id, try_cast(told->>'r2' as double) as r2, try_cast(told->>'superpixels' as integer) as superpixels
from (
    select case_id, case when json_valid(diagnostics) then diagnostics::json end as told
    from explanations where explainer = 'lime'
);
