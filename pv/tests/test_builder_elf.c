/*
 * The builder's ELF reader: System V gABI and xen/elfnote.h, on a good file
 * and on each of its damaged forms. Run under ASan it proves that no byte
 * outside the file is read.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <elf.h>

#include <xen/elfnote.h>
#include <xen/errno.h>

#include "pv/guest/builder_elf.h"

struct good {
    Elf64_Ehdr eh;
    Elf64_Phdr load, note;
    Elf64_Nhdr nh;
    char name[4];
    uint64_t entry;
    uint8_t text[64];
};

static void make_good(struct good *g)
{
    memset(g, 0, sizeof(*g));
    memcpy(g->eh.e_ident, ELFMAG, SELFMAG);
    g->eh.e_ident[EI_CLASS] = ELFCLASS64;
    g->eh.e_ident[EI_DATA] = ELFDATA2LSB;
    g->eh.e_phoff = offsetof(struct good, load);
    g->eh.e_phentsize = sizeof(g->load);
    g->eh.e_phnum = 2;
    g->load.p_type = PT_LOAD;
    g->load.p_offset = offsetof(struct good, text);
    g->load.p_paddr = 0x100000;
    g->load.p_filesz = sizeof(g->text);
    g->load.p_memsz = 8192;
    g->note.p_type = PT_NOTE;
    g->note.p_offset = offsetof(struct good, nh);
    g->note.p_filesz = sizeof(g->nh) + 4 + 8;
    g->nh.n_namesz = 4;
    g->nh.n_descsz = 8;
    g->nh.n_type = XEN_ELFNOTE_PHYS32_ENTRY;
    memcpy(g->name, "Xen", 4);
    g->entry = 0x100010;
}

static void elf_good_file_is_taken_apart(void **state)
{
    struct builder_image img;
    struct good g;

    (void)state;
    make_good(&g);
    assert_int_equal(builder_elf_parse(&g, sizeof(g), &img), 0);
    assert_int_equal(img.entry, 0x100010);
    assert_int_equal(img.nr_segments, 1);
    assert_int_equal(img.low, 0x100000);
    assert_int_equal(img.high, 0x102000);
    assert_int_equal(img.segments[0].filesz, 64);
}

static void elf_truncated_file_is_refused(void **state)
{
    struct good g;

    (void)state;
    make_good(&g);
    for (size_t len = 0; len < sizeof(g); len++) {
        struct builder_image img;
        void *copy = malloc(len + 1);

        memcpy(copy, &g, len);
        assert_int_equal(builder_elf_parse(copy, len, &img), -XEN_ENOEXEC);
        free(copy);
    }
}

static void elf_damaged_bytes_never_escape_the_file(void **state)
{
    static const uint8_t values[] = { 0, 1, 0x7f, 0x80, 0xff };

    (void)state;
    for (size_t at = 0; at < sizeof(struct good); at++) {
        for (unsigned v = 0; v < sizeof(values); v++) {
            struct good *g = malloc(sizeof(*g));
            struct builder_image img;

            make_good(g);
            ((uint8_t *)g)[at] = values[v];
            if (builder_elf_parse(g, sizeof(*g), &img) == 0) {
                assert_true(img.nr_segments <= BUILDER_MAX_SEGMENTS);
                for (unsigned i = 0; i < img.nr_segments; i++) {
                    struct builder_segment *s = &img.segments[i];

                    assert_true(s->filesz <= s->memsz);
                    assert_true(s->offset + s->filesz <= sizeof(*g));
                    assert_true(s->paddr + s->memsz <= 1ULL << 32);
                }
            }
            free(g);
        }
    }
}

static void elf_entry_outside_segments_is_refused(void **state)
{
    struct builder_image img;
    struct good g;

    (void)state;
    make_good(&g);
    g.entry = 0x102000;
    assert_int_equal(builder_elf_parse(&g, sizeof(g), &img), -XEN_ENOEXEC);
    g.entry = 0x100000100010ULL;
    assert_int_equal(builder_elf_parse(&g, sizeof(g), &img), -XEN_ENOEXEC);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(elf_good_file_is_taken_apart),
        cmocka_unit_test(elf_truncated_file_is_refused),
        cmocka_unit_test(elf_damaged_bytes_never_escape_the_file),
        cmocka_unit_test(elf_entry_outside_segments_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
