-- Aggregates that several pages draw, computed once per store. Measures and ranks come from compute/store/views.sql.

-- Sums over a photo's cases, for curves over n and for resampling photos.
create table curves as
select photo_id, explainer, n, count(*) as cases, sum(jaccard) as jaccard, sum(hamming) as hamming,
       sum(pixels / n_pixels) as share
from measures
group by all;

-- How often an explainer has a rank at n; ties share an average rank, so ranks may be halves.
create table rank_counts as
select explainer, n, 'jaccard' as measure, rank_jaccard as rank, count(*) as cases from ranks group by all
union all
select explainer, n, 'hamming', rank_hamming, count(*) from ranks group by all;
