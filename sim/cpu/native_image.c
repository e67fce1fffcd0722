/*
 * The image that native programs are booted from: an ELF with the slots of
 * all programs as its one segment, and the PVH entry note.
 * Sources: xen/elfnote.h (XEN_ELFNOTE_PHYS32_ENTRY), the ELF-64 object file
 * format.
 */
#include "sim/cpu/native_impl.h"

#include <elf.h>
#include <string.h>
#include <xen/elfnote.h>

#define TEXT_BYTES (NATIVE_MAX * NATIVE_SLOT_BYTES)
#define TEXT_OFFSET 4096 /* in the file */

struct op_bytes {
    uint8_t offset, len;
    uint8_t bytes[3];
};

static const struct op_bytes slot_ops[] = {
    {SLOT_MOV, 2, {0x8b, 0x07}},          {SLOT_VMMCALL, 3, {0x0f, 0x01, 0xd9}},
    {SLOT_CPUID, 2, {0x0f, 0xa2}},        {SLOT_RDMSR, 2, {0x0f, 0x32}},
    {SLOT_WRMSR, 2, {0x0f, 0x30}},        {SLOT_IN8, 1, {0xec}},
    {SLOT_IN16, 2, {0x66, 0xed}},         {SLOT_IN32, 1, {0xed}},
    {SLOT_OUT8, 1, {0xee}},               {SLOT_OUT16, 2, {0x66, 0xef}},
    {SLOT_OUT32, 1, {0xef}},              {SLOT_HLT, 1, {0xf4}},
    {SLOT_PAUSE, 2, {0xf3, 0x90}},        {SLOT_STI, 1, {0xfb}},
    {SLOT_CLI, 1, {0xfa}},                {SLOT_RDTSC, 2, {0x0f, 0x31}},
};
_Static_assert(SLOT_RDTSC + 2 + NATIVE_ESCAPE_BYTES <= SLOT_INSN, "slot");
_Static_assert(SLOT_INSN + 15 + NATIVE_ESCAPE_BYTES <= NATIVE_SLOT_BYTES,
               "slot");

static void put_escape(uint8_t *at, unsigned id)
{
    at[0] = 0x0f;
    at[1] = 0x04;
    at[2] = (uint8_t)id;
    at[3] = (uint8_t)(id >> 8);
}

void native_text(uint8_t *text)
{
    memset(text, 0, TEXT_BYTES);
    for (unsigned id = 0; id < NATIVE_MAX; id++) {
        uint8_t *slot = text + id * NATIVE_SLOT_BYTES;

        put_escape(slot + SLOT_START, id);
        put_escape(slot + SLOT_HANDLER, id);
        for (unsigned i = 0; i < sizeof(slot_ops) / sizeof(slot_ops[0]); i++) {
            const struct op_bytes *op = &slot_ops[i];

            memcpy(slot + op->offset, op->bytes, op->len);
            put_escape(slot + op->offset + op->len, id);
        }
    }
}

size_t native_image(struct machine *m, int id, void *buf, size_t cap)
{
    struct {
        Elf64_Ehdr eh;
        Elf64_Phdr load, note;
        Elf64_Nhdr nh;
        char name[4];
        uint64_t entry;
    } head;
    uint8_t text[TEXT_BYTES];

    (void)m;
    memset(&head, 0, sizeof(head));
    memcpy(head.eh.e_ident, ELFMAG, SELFMAG);
    head.eh.e_ident[EI_CLASS] = ELFCLASS64;
    head.eh.e_ident[EI_DATA] = ELFDATA2LSB;
    head.eh.e_ident[EI_VERSION] = EV_CURRENT;
    head.eh.e_type = ET_EXEC;
    head.eh.e_machine = EM_X86_64;
    head.eh.e_version = EV_CURRENT;
    head.eh.e_entry = native_entry(id);
    head.eh.e_phoff = sizeof(head.eh);
    head.eh.e_ehsize = sizeof(head.eh);
    head.eh.e_phentsize = sizeof(head.load);
    head.eh.e_phnum = 2;
    head.load.p_type = PT_LOAD;
    head.load.p_flags = PF_R | PF_W | PF_X;
    head.load.p_offset = TEXT_OFFSET;
    head.load.p_vaddr = head.load.p_paddr = NATIVE_TEXT;
    head.load.p_filesz = head.load.p_memsz = TEXT_BYTES;
    head.load.p_align = 4096;
    head.note.p_type = PT_NOTE;
    head.note.p_offset = offsetof(__typeof__(head), nh);
    head.note.p_filesz = head.note.p_memsz =
        sizeof(head.nh) + sizeof(head.name) + sizeof(head.entry);
    head.note.p_align = 4;
    head.nh.n_namesz = sizeof(head.name);
    head.nh.n_descsz = sizeof(head.entry);
    head.nh.n_type = XEN_ELFNOTE_PHYS32_ENTRY;
    memcpy(head.name, "Xen", 4);
    head.entry = native_entry(id);
    if (cap >= TEXT_OFFSET + TEXT_BYTES) {
        memset(buf, 0, TEXT_OFFSET);
        memcpy(buf, &head, sizeof(head));
        native_text(text);
        memcpy((uint8_t *)buf + TEXT_OFFSET, text, TEXT_BYTES);
    }
    return TEXT_OFFSET + TEXT_BYTES;
}
