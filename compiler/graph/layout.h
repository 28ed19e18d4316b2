/* Layouts of variables (nnr_layout in runtime/nnr.h): how the dimensions that are stored follow from
 * those the program speaks of. */
#ifndef NNC_GRAPH_LAYOUT_H
#define NNC_GRAPH_LAYOUT_H
#include "graph/graph.h"

/* True when every element has one place: for each axis the steps are 1 and then each the product of the
 * parts below it. */
bool layout_valid(const nnr_layout *l);
bool layout_equal(const nnr_layout *a, const nnr_layout *b);
Type layout_rows(const nnr_layout *l, DType dtype);   /* what the variable is: the row major type */
Type layout_stored(const nnr_layout *l, DType dtype); /* what lies in memory */
/* [axis / block][the other dimensions in order][block]; a block of the whole axis only moves it to the
 * end. block divides the dimension; there is room for one dimension more. */
nnr_layout layout_blocked(const Type *t, int axis, int64_t block);
char *layout_text(Arena *arena, const nnr_layout *l); /* "[0*32,1,0]" */
#endif
