/* cell.h - the file system of one build: each function is one step of main. */
#ifndef CELL_H
#define CELL_H

#include <stdbool.h>
#include <stddef.h>

#include "args.h"

enum { N_DEVICES = 5, N_HIDDEN = 2 }; /* nodes in /dev, files in /proc that are covered */

int open_helper(bool userns);
int open_device(size_t i);
void open_items(bool userns);
bool make_overlays(int cell);
void attach_item(const struct item *it, int dir, const char *path);
int make_cell(int root, int *blanks);
int make_base(int base, const int *nodes, const int *blanks);
void attach_items(int base);
void enter_cell(int cell);

#endif
