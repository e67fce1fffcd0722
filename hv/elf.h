/*
 * Loader for PVH guest images: ELF32 or ELF64, little-endian x86, with a
 * XEN_ELFNOTE_PHYS32_ENTRY note (xen/elfnote.h) in a PT_NOTE segment.
 */
#ifndef HV_ELF_H
#define HV_ELF_H

#include <stddef.h>
#include <stdint.h>

#define ELF_SEGMENTS_MAX 32 /* program headers looked at */

struct elf_segment {
    uint64_t paddr, mem_len;
    size_t file_off, file_len; /* file_len <= mem_len, within the file */
};

struct elf_image {
    struct elf_segment seg[ELF_SEGMENTS_MAX]; /* PT_LOAD, mem_len > 0 */
    unsigned nr_segs;
    uint64_t paddr_low, paddr_high; /* [low, high) spans all of them */
    uint32_t entry;                 /* XEN_ELFNOTE_PHYS32_ENTRY */
};

/* Takes the image apart, every offset checked against len. NULL, or what is
 * wrong with it in a few words. */
const char *elf_parse(const void *image, size_t len, struct elf_image *out);

#endif
