/*
 * Takes a PVH guest image apart. System V ABI, chapters 4 and 5; ELF-64
 * Object File Format 1.5; the note: xen/elfnote.h.
 *
 * Invariants:
 *  1. Nothing is read outside [image, image + len), wherever the file's own
 *     offsets point; no sum of two of its numbers is used before it is known
 *     not to wrap.
 *  2. What elf_parse() accepts lies below 4 GiB in guest-physical space, its
 *     entry within one of its segments.
 */
#include "hv/elf.h"

#include <stdbool.h>

#include "hv/lib.h"

#include <xen/elfnote.h>

#define ELF_PT_LOAD 1
#define ELF_PT_NOTE 4
#define ELF_MACHINE_386 3
#define ELF_MACHINE_X86_64 62
#define ELF_EHDR32_BYTES 52
#define ELF_EHDR64_BYTES 64
#define ELF_PHDR32_BYTES 32
#define ELF_PHDR64_BYTES 56
#define ELF_PADDR_END (1ULL << 32)

struct file {
    const uint8_t *base;
    size_t len;
    bool is64;
};

struct phdr {
    uint32_t type;
    uint64_t offset, paddr, filesz, memsz;
};

static bool file_has(const struct file *f, uint64_t off, uint64_t len)
{
    return off <= f->len && len <= f->len - off;
}

/* Little-endian number of n bytes; the caller has checked the range. */
static uint64_t file_num(const struct file *f, uint64_t off, unsigned n)
{
    uint64_t v = 0;

    for (unsigned i = 0; i < n; i++) {
        v |= (uint64_t)f->base[off + i] << (8 * i);
    }
    return v;
}

static const char *check_header(struct file *f)
{
    static const uint8_t magic[4] = {0x7f, 'E', 'L', 'F'};
    unsigned machine;

    if (!file_has(f, 0, ELF_EHDR32_BYTES) ||
        memcmp(f->base, magic, sizeof(magic)) != 0) {
        return "not an ELF file";
    }
    if ((f->base[4] != 1 && f->base[4] != 2) || f->base[5] != 1) {
        return "not a little-endian ELF32 or ELF64 file";
    }
    f->is64 = f->base[4] == 2;
    if (f->is64 && !file_has(f, 0, ELF_EHDR64_BYTES)) {
        return "ELF header cut short";
    }
    machine = (unsigned)file_num(f, 18, 2);
    if (machine != ELF_MACHINE_386 && machine != ELF_MACHINE_X86_64) {
        return "not an x86 ELF file";
    }
    return NULL;
}

static void read_phdr(const struct file *f, uint64_t at, struct phdr *ph)
{
    ph->type = (uint32_t)file_num(f, at, 4);
    if (f->is64) {
        ph->offset = file_num(f, at + 8, 8);
        ph->paddr = file_num(f, at + 24, 8);
        ph->filesz = file_num(f, at + 32, 8);
        ph->memsz = file_num(f, at + 40, 8);
    } else {
        ph->offset = file_num(f, at + 4, 4);
        ph->paddr = file_num(f, at + 12, 4);
        ph->filesz = file_num(f, at + 16, 4);
        ph->memsz = file_num(f, at + 20, 4);
    }
}

static const char *add_segment(struct elf_image *out, const struct phdr *ph)
{
    struct elf_segment *s = &out->seg[out->nr_segs];

    if (ph->filesz > ph->memsz) {
        return "segment larger in the file than in memory";
    }
    if (ph->paddr >= ELF_PADDR_END || ph->memsz > ELF_PADDR_END - ph->paddr) {
        return "segment beyond 4 GiB";
    }
    if (ph->memsz == 0) {
        return NULL;
    }
    s->paddr = ph->paddr;
    s->mem_len = ph->memsz;
    s->file_off = ph->offset;
    s->file_len = ph->filesz;
    if (out->nr_segs == 0 || s->paddr < out->paddr_low) {
        out->paddr_low = s->paddr;
    }
    if (s->paddr + s->mem_len > out->paddr_high) {
        out->paddr_high = s->paddr + s->mem_len;
    }
    out->nr_segs++;
    return NULL;
}

static uint64_t align4(uint64_t n)
{
    return (n + 3) & ~3ULL;
}

/* Looks for the entry note in [off, off + len), which is within the file. */
static bool find_entry(const struct file *f, uint64_t off, uint64_t len,
                       uint32_t *entry)
{
    uint64_t end = off + len;

    while (end - off >= 12) {
        uint64_t namesz = file_num(f, off, 4);
        uint64_t descsz = file_num(f, off + 4, 4);
        uint64_t type = file_num(f, off + 8, 4);
        uint64_t desc = 12 + align4(namesz);
        uint64_t next = desc + align4(descsz);

        if (desc + descsz > end - off) {
            return false;
        }
        if (type == XEN_ELFNOTE_PHYS32_ENTRY && namesz == 4 &&
            memcmp(f->base + off + 12, "Xen", 4) == 0 &&
            (descsz == 4 || descsz == 8)) {
            uint64_t value = file_num(f, off + desc, (unsigned)descsz);

            *entry = (uint32_t)value;
            return value < ELF_PADDR_END;
        }
        if (next > end - off) {
            return false;
        }
        off += next;
    }
    return false;
}

static bool entry_is_loaded(const struct elf_image *img)
{
    for (unsigned i = 0; i < img->nr_segs; i++) {
        const struct elf_segment *s = &img->seg[i];

        if (img->entry >= s->paddr && img->entry - s->paddr < s->mem_len) {
            return true;
        }
    }
    return false;
}

/* One program header. NULL, or what is wrong. */
static const char *take_phdr(const struct file *f, uint64_t at,
                             struct elf_image *out, bool *have_entry)
{
    struct phdr ph;

    read_phdr(f, at, &ph);
    if (ph.type != ELF_PT_LOAD && ph.type != ELF_PT_NOTE) {
        return NULL;
    }
    if (!file_has(f, ph.offset, ph.filesz)) {
        return "segment outside the file";
    }
    if (ph.type == ELF_PT_LOAD) {
        return add_segment(out, &ph);
    }
    if (!*have_entry) {
        *have_entry = find_entry(f, ph.offset, ph.filesz, &out->entry);
    }
    return NULL;
}

const char *elf_parse(const void *image, size_t len, struct elf_image *out)
{
    struct file f = {.base = image, .len = len};
    const char *why = check_header(&f);
    uint64_t phoff, phentsize, phnum;
    bool have_entry = false;

    memset(out, 0, sizeof(*out));
    if (why != NULL) {
        return why;
    }
    phoff = f.is64 ? file_num(&f, 32, 8) : file_num(&f, 28, 4);
    phentsize = file_num(&f, f.is64 ? 54 : 42, 2);
    phnum = file_num(&f, f.is64 ? 56 : 44, 2);
    if (phnum == 0 || phnum > ELF_SEGMENTS_MAX) {
        return "no program headers, or too many";
    }
    if (phentsize < (f.is64 ? ELF_PHDR64_BYTES : ELF_PHDR32_BYTES) ||
        !file_has(&f, phoff, phentsize * phnum)) {
        return "program headers outside the file";
    }
    for (uint64_t i = 0; i < phnum; i++) {
        why = take_phdr(&f, phoff + i * phentsize, out, &have_entry);
        if (why != NULL) {
            return why;
        }
    }
    if (out->nr_segs == 0) {
        return "nothing to load";
    }
    if (!have_entry) {
        return "no XEN_ELFNOTE_PHYS32_ENTRY note: not a PVH image";
    }
    return entry_is_loaded(out) ? NULL : "entry point outside its segments";
}
