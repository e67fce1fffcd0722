# The hypervisor's image for a PC, Bochs's reset ROM and the smoke-test guest.
# Included by the one Makefile; compiles the very same hv/*.c, hv/x86/*.c.
M := $(B)/metal
METAL_CFLAGS := -std=gnu11 -O2 -g -Wall -Wextra -Werror -I. \
	-D__XEN_TOOLS__=1 -ffreestanding -fno-stack-protector -fno-pic \
	-fcf-protection=none -fno-asynchronous-unwind-tables -mno-red-zone \
	-mgeneral-regs-only -mcmodel=small -fno-builtin
METAL_HV := $(wildcard hv/*.c hv/x86/*.c hv/metal/*.c)
METAL_S := hv/metal/boot.S hv/metal/trap.S hv/metal/vmrun.S
METAL_OBJ := $(METAL_HV:%.c=$(M)/obj/%.o) $(METAL_S:%.S=$(M)/obj/%.S.o)
HELLO_OBJ := $(M)/obj/pv/guest/metal_hello.o $(M)/obj/pv/guest/metal_hello.S.o

metal: $(M)/hello.elf $(M)/ringside.bin $(M)/bochs.rom

$(M)/ringside64.elf: $(METAL_OBJ) hv/metal/ringside.lds
	@$(LD) -nostdlib -static -z max-page-size=4096 --no-warn-rwx-segments \
		-T hv/metal/ringside.lds -o $@ $(METAL_OBJ)

# Multiboot loaders want an ELF32.
$(M)/ringside.elf: $(M)/ringside64.elf
	@objcopy -I elf64-x86-64 -O elf32-i386 $< $@

$(M)/ringside.bin: $(M)/ringside64.elf
	@objcopy -O binary $< $@

$(M)/hello.elf: $(HELLO_OBJ) pv/guest/metal_hello.lds
	@$(LD) -nostdlib -static -z max-page-size=4096 --no-warn-rwx-segments \
		-T pv/guest/metal_hello.lds -o $@ $(HELLO_OBJ)

$(M)/bochs.rom: hv/metal/rom.S | $(B)/setup.stamp
	@mkdir -p $(@D)
	@$(CC) -c -o $(M)/rom.o $<
	@objcopy -O binary -j .text $(M)/rom.o $@

$(M)/obj/%.o: %.c | $(B)/setup.stamp
	@mkdir -p $(@D)
	@$(CC) $(METAL_CFLAGS) -MMD -MP -c -o $@ $<

$(M)/obj/%.S.o: %.S | $(B)/setup.stamp
	@mkdir -p $(@D)
	@$(CC) -c -o $@ $<

-include $(METAL_OBJ:.o=.d) $(HELLO_OBJ:.o=.d)
