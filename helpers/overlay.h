/* overlay.h - read-only overlays of layers that were opened and cloned. */
#ifndef OVERLAY_H
#define OVERLAY_H

#include <stddef.h>
#include <stdint.h>

void make_shelf(int cell);
void attach_layers(const int *layers, const char *const *paths, size_t n, int cell);
void detach_layers(void);
uint64_t layer_flags(const int *layers, size_t n);
int overlay(const int *layers, size_t n, int cell);

#endif
