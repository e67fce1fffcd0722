/*
 * The ELF reader of the domain builder: what a PVH kernel's file says about
 * where it wants to lie and be entered.
 */
#ifndef PV_GUEST_BUILDER_ELF_H
#define PV_GUEST_BUILDER_ELF_H

#include <stddef.h>
#include <stdint.h>

#define BUILDER_MAX_SEGMENTS 16

struct builder_segment {
    uint64_t paddr, memsz;
    uint64_t offset, filesz; /* in the file; filesz <= memsz */
};

struct builder_image {
    uint32_t entry; /* XEN_ELFNOTE_PHYS32_ENTRY */
    unsigned nr_segments;
    struct builder_segment segments[BUILDER_MAX_SEGMENTS];
    uint64_t low, high; /* guest-physical range that the segments cover */
};

/* 32- and 64-bit little-endian x86 files. The file is hostile: every offset
 * is checked against len. 0; -XEN_ENOEXEC when it is no such file or carries
 * no entry note; -XEN_E2BIG with too many segments. */
int builder_elf_parse(const void *file, size_t len, struct builder_image *out);

#endif
