/* Makes text of services and files safe to show on a terminal or in a log.
 *
 * Owns: which characters act on a line, or are not visible in it. Controls (C0, C1, DEL)
 * and line separators break a line or command a terminal; directional marks change the
 * order of reading; the ignorable characters of Unicode (zero width, BOM, tags, fillers)
 * make two different texts look alike.
 * Does not know: the origin of the text, and which parts of it are secret. */
#ifndef GRID_TEXT_VISIBLE_H
#define GRID_TEXT_VISIBLE_H

#include "base/buffer.h"
#include "base/slice.h"

/* True: the text is valid UTF-8 without such characters. */
bool grid_is_visible(grid_slice text);

/* Appends the text as valid UTF-8 on one line: what would break a line becomes a blank
 * (one for several in a row), invisible characters are removed, and bytes that are no
 * character become U+FFFD. */
bool grid_visible_text(grid_slice text, grid_buffer *out, grid_error *err);

/* Appends valid JSON text with such characters as \uXXXX: it means the same to a
 * parser. */
bool grid_visible_json(grid_slice json, grid_buffer *out, grid_error *err);

#endif
