/*
 * The ELF reader of the domain builder (System V gABI, chapters 4 and 5;
 * notes: xen/elfnote.h).
 *
 * Invariants:
 *  1. No byte outside [file, file + len) is read.
 *  2. A segment in `out` has offset + filesz <= len, filesz <= memsz and a
 *     physical range that ends below 4 GiB.
 *  3. Without an entry point inside a segment there is no image.
 */
#include "pv/guest/builder_elf.h"

#include <stdbool.h>

#include <xen/elfnote.h>

#include "pv/os.h"

#define ELF_PT_LOAD 1
#define ELF_PT_NOTE 4
#define ELF_MAX_PHNUM 64
#define ELF_MAX_NOTES 64
#define ELF_ADDR_LIMIT (1ULL << 32)

struct elf_phdr { /* both classes, widened */
    uint32_t type;
    uint64_t offset, paddr, filesz, memsz;
};

static uint64_t elf_get(const uint8_t *p, unsigned bytes)
{
    uint64_t v = 0;

    for (unsigned i = 0; i < bytes; i++) {
        v |= (uint64_t)p[i] << (8 * i);
    }
    return v;
}

static bool elf_inside(uint64_t offset, uint64_t size, size_t len)
{
    return offset <= len && size <= len - offset;
}

/* gABI: Elf32_Phdr, Elf64_Phdr */
static void elf_read_phdr(const uint8_t *p, bool wide, struct elf_phdr *ph)
{
    ph->type = (uint32_t)elf_get(p, 4);
    if (wide) {
        ph->offset = elf_get(p + 8, 8);
        ph->paddr = elf_get(p + 24, 8);
        ph->filesz = elf_get(p + 32, 8);
        ph->memsz = elf_get(p + 40, 8);
    } else {
        ph->offset = elf_get(p + 4, 4);
        ph->paddr = elf_get(p + 12, 4);
        ph->filesz = elf_get(p + 16, 4);
        ph->memsz = elf_get(p + 20, 4);
    }
}

static bool elf_name_is_xen(const uint8_t *name, uint64_t size)
{
    return size == 4 && name[0] == 'X' && name[1] == 'e' && name[2] == 'n' &&
           name[3] == '\0';
}

/* gABI, "Note Section": namesz, descsz, type, then both, padded to 4. */
static bool elf_find_entry(const uint8_t *p, uint64_t size, uint32_t *entry)
{
    uint64_t pos = 0;

    for (unsigned i = 0; i < ELF_MAX_NOTES && size - pos >= 12; i++) {
        uint64_t name = elf_get(p + pos, 4);
        uint64_t desc = elf_get(p + pos + 4, 4);
        uint64_t type = elf_get(p + pos + 8, 4);
        uint64_t name_pad = (name + 3) & ~3ULL;
        uint64_t desc_pad = (desc + 3) & ~3ULL;

        pos += 12;
        if (name_pad > size - pos || desc > size - pos - name_pad) {
            return false;
        }
        if (type == XEN_ELFNOTE_PHYS32_ENTRY &&
            elf_name_is_xen(p + pos, name) && (desc == 4 || desc == 8)) {
            uint64_t value = elf_get(p + pos + name_pad, (unsigned)desc);

            *entry = (uint32_t)value;
            return value < ELF_ADDR_LIMIT;
        }
        pos += name_pad;
        if (desc_pad > size - pos) {
            return false; /* padding of the last one cut off: no more */
        }
        pos += desc_pad;
    }
    return false;
}

static int elf_add_segment(struct builder_image *out, const struct elf_phdr *ph,
                           size_t len)
{
    struct builder_segment *s;

    if (ph->memsz == 0) {
        return 0;
    }
    if (out->nr_segments == BUILDER_MAX_SEGMENTS) {
        return -XEN_E2BIG;
    }
    if (!elf_inside(ph->offset, ph->filesz, len) || ph->filesz > ph->memsz ||
        ph->paddr >= ELF_ADDR_LIMIT ||
        ph->memsz > ELF_ADDR_LIMIT - ph->paddr) {
        return -XEN_ENOEXEC;
    }
    s = &out->segments[out->nr_segments++];
    s->paddr = ph->paddr;
    s->memsz = ph->memsz;
    s->offset = ph->offset;
    s->filesz = ph->filesz;
    if (out->nr_segments == 1 || ph->paddr < out->low) {
        out->low = ph->paddr;
    }
    if (ph->paddr + ph->memsz > out->high) {
        out->high = ph->paddr + ph->memsz;
    }
    return 0;
}

static bool elf_header_ok(const uint8_t *f, size_t len, bool *wide)
{
    if (len < 52 || f[0] != 0x7f || f[1] != 'E' || f[2] != 'L' ||
        f[3] != 'F' || f[5] != 1 /* ELFDATA2LSB */) {
        return false;
    }
    *wide = f[4] == 2; /* ELFCLASS64 */
    return (*wide && len >= 64) || f[4] == 1;
}

static bool elf_entry_inside(const struct builder_image *img)
{
    for (unsigned i = 0; i < img->nr_segments; i++) {
        const struct builder_segment *s = &img->segments[i];

        if (img->entry >= s->paddr && img->entry - s->paddr < s->memsz) {
            return true;
        }
    }
    return false;
}

int builder_elf_parse(const void *file, size_t len, struct builder_image *out)
{
    const uint8_t *f = file;
    bool wide, have_entry = false;
    uint64_t phoff, phentsize, phnum;

    *out = (struct builder_image){ 0 };
    if (!elf_header_ok(f, len, &wide)) {
        return -XEN_ENOEXEC;
    }
    phoff = wide ? elf_get(f + 32, 8) : elf_get(f + 28, 4);
    phentsize = elf_get(f + (wide ? 54 : 42), 2);
    phnum = elf_get(f + (wide ? 56 : 44), 2);
    if (phnum > ELF_MAX_PHNUM || phentsize < (wide ? 56u : 32u) ||
        !elf_inside(phoff, phnum * phentsize, len)) {
        return -XEN_ENOEXEC;
    }
    for (uint64_t i = 0; i < phnum; i++) {
        struct elf_phdr ph;
        int err = 0;

        elf_read_phdr(f + phoff + i * phentsize, wide, &ph);
        if (ph.type == ELF_PT_LOAD) {
            err = elf_add_segment(out, &ph, len);
        } else if (ph.type == ELF_PT_NOTE && !have_entry &&
                   elf_inside(ph.offset, ph.filesz, len)) {
            have_entry =
                elf_find_entry(f + ph.offset, ph.filesz, &out->entry);
        }
        if (err) {
            return err;
        }
    }
    return have_entry && elf_entry_inside(out) ? 0 : -XEN_ENOEXEC;
}
