/* filter.h - the seccomp filter of a build. */
#ifndef FILTER_H
#define FILTER_H

#include <stdbool.h>

void install_filter(bool fake_root, bool no_setid);

#endif
