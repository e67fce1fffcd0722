/*
 * A smallest PVH image for tests: ELF32, one page of code at 1 MiB, entry at
 * its first byte; and a machine with that as its control domain.
 */
#ifndef HV_TESTS_PVH_IMAGE_H
#define HV_TESTS_PVH_IMAGE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "hv/hv.h"
#include "hv/tests/fake_plat.h"

#define PVH_IMAGE_BYTES 256
#define PVH_ENTRY 0x100000
#define PVH_FRAMES 4096
#define PVH_GUEST_PAGES 512

static inline void pvh_put(uint8_t *b, size_t off, uint32_t v)
{
    for (unsigned i = 0; i < 4; i++) {
        b[off + i] = (uint8_t)(v >> (8 * i));
    }
}

static inline void pvh_image(uint8_t b[PVH_IMAGE_BYTES])
{
    memset(b, 0, PVH_IMAGE_BYTES);
    memcpy(b, "\177ELF\1\1\1", 7);
    b[18] = 3;
    pvh_put(b, 28, 52); /* phoff */
    b[42] = 32;
    b[44] = 2;
    pvh_put(b, 52, 1); /* PT_LOAD */
    pvh_put(b, 52 + 4, 224);
    pvh_put(b, 52 + 12, PVH_ENTRY);
    pvh_put(b, 52 + 16, 16);
    pvh_put(b, 52 + 20, 0x1000);
    pvh_put(b, 84, 4); /* PT_NOTE */
    pvh_put(b, 84 + 4, 192);
    pvh_put(b, 84 + 16, 20);
    pvh_put(b, 192, 4);
    pvh_put(b, 196, 4);
    pvh_put(b, 200, 18); /* XEN_ELFNOTE_PHYS32_ENTRY */
    memcpy(b + 204, "Xen", 4);
    pvh_put(b, 208, PVH_ENTRY);
    memset(b + 224, 0xf4, 16); /* hlt */
}

/* NULL when hv_create() refused. */
static inline struct hv *pvh_machine(struct plat *p, const char *cmdline)
{
    uint8_t image[PVH_IMAGE_BYTES];
    struct hv_boot boot = {.image = image,
                           .image_len = sizeof(image),
                           .cmdline = cmdline,
                           .memory_pages = PVH_GUEST_PAGES,
                           .vcpus = 2};

    pvh_image(image);
    return hv_create(p, &boot);
}

#endif
