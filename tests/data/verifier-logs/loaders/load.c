// SPDX-License-Identifier: Apache-2.0
/* Loads an object with libbpf, whose words go to standard error. cc load.c -lbpf */
#include <bpf/libbpf.h>

int main(int argc, char **argv)
{
	struct bpf_object *object = argc > 1 ? bpf_object__open_file(argv[1], NULL) : NULL;

	return !object || bpf_object__load(object);
}
