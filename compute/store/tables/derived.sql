-- What follows from the explanations of some whole photos: the tables of DERIVED (compute/store/schema.py).
-- Tables: attempts, explanations and repeats of these photos; methods (name, position, ranked): those that take part in
-- the ranks are, baselines left out, those that have explained any case of the store.

create or replace temp table measured as
select e.case_id, a.photo_id, e.explainer, e.n, pixels / n_pixels as share,
       jaccard_of(pixels, hits, region_pixels) as jaccard, hamming_of(pixels, hits, region_pixels, n_pixels) as hamming
from (
    select case_id, explainer, unnest(range(1, 21))::smallint as n, unnest(pixels) as pixels, unnest(hits) as hits
    from explanations
) e join attempts a using (case_id);

-- Ranks among the methods of a table like `measured` in the same (case, n): 1 is best, ties share their average rank.
-- A self-join over the few methods of a case: windows over millions of rows take several times as long.
create or replace macro ranks_among(field) as table
select a.case_id, a.explainer, a.n,
       1 + count(*) filter (b.jaccard > a.jaccard) + (count(*) filter (b.jaccard = a.jaccard) - 1) / 2 as jaccard,
       1 + count(*) filter (b.hamming > a.hamming) + (count(*) filter (b.hamming = a.hamming) - 1) / 2 as hamming
from query_table(field) a join query_table(field) b on a.case_id = b.case_id and a.n = b.n
group by all;

-- Only cases that all ranked methods have explained have ranks: a rank among fewer would not be comparable.
create or replace temp table field as
with taking_part as (
    select measured.* from measured join methods on name = explainer and ranked
)
from taking_part where case_id in (
    select case_id from taking_part where n = 1 group by case_id
    having count(*) = (select count(*) from methods where ranked)
);
create or replace temp table ranks as from ranks_among('field');

-- The ranks that the paper's three have among themselves, whoever else takes part (Table 1), on the cases that all three
-- have explained.
create or replace temp table three as
from measured where explainer in ('saliency', 'guided_backprop', 'lime')
qualify count(*) over (partition by case_id, n) = 3;
create or replace temp table paper_ranks as
select case_id, explainer, avg(jaccard) as paper_jaccard, avg(hamming) as paper_hamming
from ranks_among('three') group by all;

create or replace temp table case_methods as
with scored as (
    select case_id, photo_id, explainer, avg(jaccard) as mean_jaccard, avg(hamming) as mean_hamming,
           max(jaccard) as best_jaccard, max(hamming) as best_hamming,
           arg_max(n, row(jaccard, -n)) as best_n
    from measured group by all
), ranked_lists as (
    select case_id, explainer, list(jaccard order by n) as rank_jaccard, list(hamming order by n) as rank_hamming
    from ranks group by all
)
select s.*, rank_jaccard, rank_hamming, paper_jaccard, paper_hamming
from scored s left join ranked_lists using (case_id, explainer) left join paper_ranks using (case_id, explainer)
order by case_id, explainer;

-- One row a case: what cases are filtered and ordered by. Diagnostics are text from outside.
create or replace temp table case_lists as
with again as (
    select case_id, explainer,
           list_avg([jaccard_of(x[1], x[2], region_pixels) for x in list_zip(pixels, hits)]) as jaccard
    from repeats join attempts using (case_id)
), spreads as (
    select case_id, explainer, greatest(max(jaccard), any_value(mean_jaccard)) as highest,
           highest - least(min(jaccard), any_value(mean_jaccard)) as spread
    from again join case_methods using (case_id, explainer) group by all
), fits as (
    select case_id, try_cast(told->>'r2' as double) as r2, try_cast(told->>'superpixels' as integer) as superpixels
    from (
        select case_id, case when json_valid(diagnostics) then diagnostics::json end as told
        from explanations where explainer = 'lime'
    )
)
select case_id, list(mean_jaccard order by position) as mean_jaccard, list(mean_hamming order by position) as mean_hamming,
       list(best_jaccard order by position) as best_jaccard, list(best_hamming order by position) as best_hamming,
       list(spread order by position) as spreads, any_value(case when isfinite(r2) then r2 end) as r2,
       any_value(superpixels) as superpixels
from (select distinct case_id from case_methods) cross join (select name as explainer, position from methods)
left join case_methods using (case_id, explainer) left join spreads using (case_id, explainer)
left join fits using (case_id)
group by case_id
order by case_id;

-- One row a case: the counts of every method, from which `case_counts` takes those at each n.
create or replace temp view counts_by_method as
select case_id, list({pixels: pixels, hits: hits} order by position) as methods
from (select distinct case_id from case_methods) cross join (select name as explainer, position from methods)
left join explanations using (case_id, explainer)
group by case_id
order by case_id;

create or replace temp table photo_methods as
with by_n as (
    select photo_id, explainer, n, count(*) as cases, sum(jaccard) as jaccard, sum(hamming) as hamming, sum(share) as share
    from measured group by all
), sums as (
    select photo_id, explainer, any_value(cases) as cases, list(jaccard order by n) as jaccard,
           list(hamming order by n) as hamming, list(share order by n) as share
    from by_n group by all
), ranked_sums as (
    select photo_id, explainer, count(*) as ranked, sum(list_avg(rank_jaccard)) as rank_jaccard,
           sum(list_avg(rank_hamming)) as rank_hamming
    from case_methods where rank_jaccard is not null group by all
)
select s.*, coalesce(ranked, 0) as ranked, coalesce(rank_jaccard, 0) as rank_jaccard,
       coalesce(rank_hamming, 0) as rank_hamming
from sums s left join ranked_sums using (photo_id, explainer)
order by photo_id, explainer;

create or replace temp table rank_counts as
select explainer, n, 'jaccard' as measure, jaccard as rank, count(*) as cases from ranks group by all
union all
select explainer, n, 'hamming', hamming, count(*) from ranks group by all
order by all;

-- Sums per photo of how far a method is above each baseline, on the cases that both have explained: where one has
-- failed on some, means over each one's own cases would compare different cases.
create or replace temp table baseline_sums as
select a.photo_id, a.explainer, b.explainer as baseline, count(*) as cases,
       sum(a.mean_jaccard - b.mean_jaccard) as jaccard
from case_methods a
join methods e on e.name = a.explainer and e.ranked
join case_methods b using (case_id)
join methods f on f.name = b.explainer and not f.ranked
group by a.photo_id, a.explainer, b.explainer, e.position
order by a.photo_id, e.position, b.explainer;

-- Sums per photo of the ranks that the paper's three have among themselves (Table 1); empty where a store lacks one.
create or replace temp table paper_sums as
select photo_id, explainer, count(*) as ranked, sum(paper_jaccard) as rank_jaccard, sum(paper_hamming) as rank_hamming
from case_methods where paper_jaccard is not null
group by all
order by all;

-- Sums per photo of what scores a whole ranking, and of the attacks that P_1 undoes, where that was checked.
create or replace temp table measure_sums as
select photo_id, explainer, count(*) as cases, count(mass) as massed, count(undone) as checked,
       sum(jaccard_at_region) as jaccard_at_region, sum(rank_accuracy) as rank_accuracy,
       sum(chance_corrected) as chance_corrected, sum(auroc) as auroc, sum(average_precision) as average_precision,
       sum(pointing) as pointing, coalesce(sum(mass), 0) as mass, count(*) filter (undone[1]) as restored
from explanations join attempts using (case_id)
group by photo_id, explainer
order by photo_id, explainer;

-- Sums per photo of what an explanation scores above its controls: how specific it is to the prediction.
create or replace temp table specificity_sums as
with control_scores as (
    select case_id, explainer, control, correlation,
           list_avg([jaccard_of(x[1], x[2], region_pixels) for x in list_zip(pixels, hits)]) as jaccard
    from controls join attempts using (case_id)
)
select s.photo_id, s.explainer, count(*) filter (control = 'class') as class_cases,
       count(*) filter (control = 'photo') as photo_cases, count(correlation) filter (control = 'clean') as clean_cases,
       coalesce(sum(s.mean_jaccard - c.jaccard) filter (control = 'class'), 0) as specificity_class,
       coalesce(sum(s.mean_jaccard - c.jaccard) filter (control = 'photo'), 0) as specificity_photo,
       coalesce(sum(correlation) filter (control = 'clean'), 0) as clean_correlation
from control_scores c join case_methods s using (case_id, explainer)
group by s.photo_id, s.explainer
order by s.photo_id, s.explainer;
