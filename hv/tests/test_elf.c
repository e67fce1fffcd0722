/*
 * hv/elf.c: PVH images, good ones and hostile ones. Method: a good image is
 * built in memory, one field is broken at a time; then every byte of the
 * headers takes every value, to be read without leaving the buffer (which is
 * exactly as long as the image: sanitizers see a byte too far).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "hv/elf.h"

#define IMAGE_BYTES 256
#define PH_LOAD 64
#define PH_NOTE (64 + 56)
#define NOTE 192
#define DATA 224

static void put(uint8_t *b, size_t off, uint64_t v, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        b[off + i] = (uint8_t)(v >> (8 * i));
    }
}

static uint8_t *image64(void)
{
    uint8_t *b = calloc(1, IMAGE_BYTES);

    memcpy(b, "\177ELF\2\1\1", 7);
    put(b, 16, 2, 2);  /* ET_EXEC */
    put(b, 18, 62, 2); /* x86-64 */
    put(b, 32, PH_LOAD, 8);
    put(b, 54, 56, 2);
    put(b, 56, 2, 2);
    put(b, PH_LOAD, 1, 4);
    put(b, PH_LOAD + 8, DATA, 8);
    put(b, PH_LOAD + 24, 0x100000, 8);
    put(b, PH_LOAD + 32, 32, 8);
    put(b, PH_LOAD + 40, 0x3000, 8);
    put(b, PH_NOTE, 4, 4);
    put(b, PH_NOTE + 8, NOTE, 8);
    put(b, PH_NOTE + 32, 20, 8);
    put(b, PH_NOTE + 40, 20, 8);
    put(b, NOTE, 4, 4);
    put(b, NOTE + 4, 4, 4);
    put(b, NOTE + 8, 18, 4);
    memcpy(b + NOTE + 12, "Xen", 4);
    put(b, NOTE + 16, 0x100010, 4);
    return b;
}

static const char *broken(size_t off, uint64_t v, unsigned n)
{
    struct elf_image img;
    uint8_t *b = image64();
    const char *why;

    put(b, off, v, n);
    why = elf_parse(b, IMAGE_BYTES, &img);
    free(b);
    return why;
}

static void elf64_with_entry_note_is_taken(void **state)
{
    struct elf_image img;
    uint8_t *b = image64();

    (void)state;
    assert_null(elf_parse(b, IMAGE_BYTES, &img));
    assert_int_equal(img.nr_segs, 1);
    assert_int_equal(img.entry, 0x100010);
    assert_int_equal(img.paddr_low, 0x100000);
    assert_int_equal(img.paddr_high, 0x103000);
    assert_int_equal(img.seg[0].file_off, DATA);
    assert_int_equal(img.seg[0].file_len, 32);
    free(b);
}

static void elf32_with_entry_note_is_taken(void **state)
{
    struct elf_image img;
    uint8_t *b = calloc(1, IMAGE_BYTES);

    (void)state;
    memcpy(b, "\177ELF\1\1\1", 7);
    put(b, 18, 3, 2);
    put(b, 28, 52, 4);
    put(b, 42, 32, 2);
    put(b, 44, 2, 2);
    put(b, 52, 1, 4);
    put(b, 52 + 4, DATA, 4);
    put(b, 52 + 12, 0x200000, 4);
    put(b, 52 + 16, 16, 4);
    put(b, 52 + 20, 16, 4);
    put(b, 84, 4, 4);
    put(b, 84 + 4, NOTE, 4);
    put(b, 84 + 16, 20, 4);
    put(b, NOTE, 4, 4);
    put(b, NOTE + 4, 4, 4);
    put(b, NOTE + 8, 18, 4);
    memcpy(b + NOTE + 12, "Xen", 4);
    put(b, NOTE + 16, 0x200004, 4);
    assert_null(elf_parse(b, IMAGE_BYTES, &img));
    assert_int_equal(img.entry, 0x200004);
    free(b);
}

static void elf_broken_fields_are_refused(void **state)
{
    (void)state;
    assert_non_null(broken(0, 0, 1));
    assert_non_null(broken(4, 3, 1));           /* class */
    assert_non_null(broken(5, 2, 1));           /* big-endian */
    assert_non_null(broken(18, 183, 2));        /* another machine */
    assert_non_null(broken(32, ~0ULL, 8));      /* phoff */
    assert_non_null(broken(32, IMAGE_BYTES, 8));
    assert_non_null(broken(54, 55, 2));         /* phentsize */
    assert_non_null(broken(56, 0, 2));          /* phnum */
    assert_non_null(broken(56, 33, 2));
    assert_non_null(broken(PH_LOAD, 2, 4));     /* nothing to load */
    assert_non_null(broken(PH_LOAD + 8, ~0ULL - 3, 8)); /* off + len wraps */
    assert_non_null(broken(PH_LOAD + 32, ~0ULL, 8));
    assert_non_null(broken(PH_LOAD + 40, 31, 8)); /* memsz < filesz */
    assert_non_null(broken(PH_LOAD + 24, ~0ULL, 8));
    assert_non_null(broken(PH_LOAD + 24, 0xffffe000, 8)); /* past 4 GiB */
    assert_non_null(broken(PH_LOAD + 24, 0x200000, 8)); /* entry outside */
    assert_non_null(broken(NOTE, 5, 4));
    assert_non_null(broken(NOTE, 0xffffffff, 4));
    assert_non_null(broken(NOTE + 4, 0xffffffff, 4));
    assert_non_null(broken(NOTE + 8, 17, 4));
}

static void elf_truncations_stay_inside_the_buffer(void **state)
{
    uint8_t *whole = image64();

    (void)state;
    for (size_t len = 0; len < IMAGE_BYTES; len++) {
        struct elf_image img;
        uint8_t *b = malloc(len ? len : 1);

        memcpy(b, whole, len);
        if (len < DATA + 32) {
            assert_non_null(elf_parse(b, len, &img));
        } else {
            assert_null(elf_parse(b, len, &img));
        }
        free(b);
    }
    free(whole);
}

static void elf_any_header_byte_stays_inside_the_buffer(void **state)
{
    (void)state;
    for (size_t off = 0; off < DATA; off++) {
        for (unsigned v = 0; v < 256; v++) {
            (void)broken(off, v, 1);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(elf64_with_entry_note_is_taken),
        cmocka_unit_test(elf32_with_entry_note_is_taken),
        cmocka_unit_test(elf_broken_fields_are_refused),
        cmocka_unit_test(elf_truncations_stay_inside_the_buffer),
        cmocka_unit_test(elf_any_header_byte_stays_inside_the_buffer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
