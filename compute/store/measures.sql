-- The paper's measures, equations 2 and 3, from counts: the only place where they are defined.
-- J = |P and C| / |P or C|; H = 1 - |P xor C| / N.
create or replace macro jaccard_of(pixels, hits, region_pixels) as hits / (pixels + region_pixels - hits);
create or replace macro hamming_of(pixels, hits, region_pixels, n_pixels)
    as 1 - (pixels + region_pixels - 2 * hits) / n_pixels;
