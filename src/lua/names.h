/* The names of a table, in the order of their bytes.
 *
 * Owns: the anchors of the names on Lua's stack, since a finalizer may remove them from
 * the table.
 * Does not know: the values. Tables are read raw: no metamethod runs, and no table is
 * changed. */
#ifndef GRID_LUA_NAMES_H
#define GRID_LUA_NAMES_H

#include "base/slice.h"
#include "lua/compat.h"

enum { GRIDL_FEW_NAMES = 32 }; /* are sorted without an allocation */

typedef struct gridL_name {
    grid_slice text;
    int place; /* of its string, in `anchors` */
} gridL_name;

typedef struct gridL_names {
    size_t keys;    /* of the table */
    size_t numbers; /* of these keys */
    size_t count;   /* of names: the keys that are strings */
    int anchors;    /* the index of a table; 0: the names are on the stack */
    gridL_name *sorted;
    gridL_name few[GRIDL_FEW_NAMES];
} gridL_names;

/* Counts the keys of the table at the absolute index, and pushes the first names.
 * Allocates no objects, so that no finalizer runs. */
void gridL_names_count(gridL_names *names, lua_State *L, int table);

/* Sorts the names. More than GRIDL_FEW_NAMES are collected again, into memory that is
 * pushed; finalizers may run meanwhile, and `count` becomes the number of names that are
 * left. */
void gridL_names_sort(gridL_names *names, lua_State *L, int table);

/* Pushes the string of a sorted name. */
void gridL_names_push(const gridL_names *names, lua_State *L, size_t position);

#endif
