/* table.h - what came along: the mounts in the finished cell that we did not attach. */
#ifndef TABLE_H
#define TABLE_H

#include <stdbool.h>

void check_mounts(int proc, bool userns);

#endif
