/* What the trees of an ensemble say of rows, added up by the tables that pipeline/trees/tables.py makes.

   No branch depends on a value.  A value's place among the edges of its feature is found by halving; the leaf that a row
   ends in is what is left of a tree's leaves when, feature by feature, those are taken out that values in that place
   cannot reach.  This is QuickScorer (Lucchese et al., SIGIR 2015) with the masks of a place looked up, not computed. */

#include <stddef.h>
#include <stdint.h>

enum { LANES = 4, SLOTS = 32, BLOCK = 256 };

typedef uint32_t masks __attribute__((vector_size(sizeof(uint32_t) * LANES), aligned(sizeof(uint32_t))));

struct tables {
    int32_t features, groups;
    const int32_t *columns, *edge_starts;
    const double *edges;
    const int32_t *group_starts, *used_features, *used_rows;
    const uint32_t *masks;
    const double *leaves;
};

/* Of a missing value this is true, so that its place is behind the last edge, which is infinity. */
static inline uint32_t is_beyond(double value, double edge) { return !(value <= edge); }

static void find_places(const struct tables *t, const double *rows, size_t count, ptrdiff_t row_step,
                        ptrdiff_t column_step, uint16_t *places) {
    double values[BLOCK];
    uint32_t found[BLOCK];
    for (int32_t f = 0; f < t->features; f++) {
        const double *edges = t->edges + t->edge_starts[f];
        const double *column = rows + t->columns[f] * column_step;
        uint32_t length = (uint32_t)(t->edge_starts[f + 1] - t->edge_starts[f]);
        for (size_t i = 0; i < count; i++) {
            values[i] = column[(ptrdiff_t)i * row_step];
            found[i] = 0;
        }
        while (length > 1) {
            uint32_t half = length / 2;
            for (size_t i = 0; i < count; i++)
                found[i] += half & -is_beyond(values[i], edges[found[i] + half - 1]);
            length -= half;
        }
        for (size_t i = 0; i < count; i++)
            places[i * (size_t)t->features + (size_t)f] = (uint16_t)(found[i] + is_beyond(values[i], edges[found[i]]));
    }
}

/* In the order of the trees, one after the other, as scikit-learn adds: so the sums have the same bits. */
static void add_groups(const struct tables *t, const uint16_t *places, size_t count, double *sums) {
    const masks *table = (const masks *)t->masks;
    for (int32_t g = 0; g < t->groups; g++) {
        const double *leaves = t->leaves + (size_t)g * LANES * SLOTS;
        for (size_t i = 0; i < count; i++) {
            const uint16_t *row = places + i * (size_t)t->features;
            masks left = ~(masks){0};
            for (int32_t u = t->group_starts[g]; u < t->group_starts[g + 1]; u++)
                left &= table[t->used_rows[u] + row[t->used_features[u]]];
            double sum = sums[i];
            for (int lane = 0; lane < LANES; lane++)
                sum += leaves[lane * SLOTS + __builtin_ctz(left[lane])];
            sums[i] = sum;
        }
    }
}

/* Steps are in doubles.  `places` has room for BLOCK rows of all features. */
void add_leaves(const struct tables *t, const double *rows, size_t count, ptrdiff_t row_step, ptrdiff_t column_step,
                uint16_t *places, double *sums) {
    for (size_t start = 0; start < count; start += BLOCK) {
        size_t many = count - start < BLOCK ? count - start : BLOCK;
        find_places(t, rows + (ptrdiff_t)start * row_step, many, row_step, column_step, places);
        add_groups(t, places, many, sums + start);
    }
}
