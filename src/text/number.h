/* A JSON number in the form that ECMAScript prints (ECMA-262 Number::toString, RFC 8785
 * section 3.2.2.3).
 *
 * Owns: the way from decimal text to the nearest double and back to its shortest digits,
 * in any locale. Does not know: where the number occurs. Trusts strtod and printf to
 * round correctly, as glibc and musl do. */
#ifndef GRID_TEXT_NUMBER_H
#define GRID_TEXT_NUMBER_H

#include "base/slice.h"

#include <stdint.h>

enum { GRID_NUMBER_MAX = 32 };

/* Takes a number that grid_json_validate accepted. Returns the length of the text; 0 when
 * no finite double is near. */
size_t grid_number_canonical(grid_slice number, char text[GRID_NUMBER_MAX]);

/* The digits of a whole number. Returns the length of the text. */
size_t grid_number_whole(int64_t number, char text[GRID_NUMBER_MAX]);

/* The nearest double, infinite where none is near. Takes a number that grid_json_validate
 * accepted. */
double grid_number_value(grid_slice number);

#endif
