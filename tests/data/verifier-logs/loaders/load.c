// SPDX-License-Identifier: Apache-2.0
/* Loads an object with libbpf, whose words go to standard error, without the map of a name. cc load.c -lbpf */
#include <bpf/libbpf.h>

int main(int argc, char **argv)
{
	struct bpf_object *object = argc > 1 ? bpf_object__open_file(argv[1], NULL) : NULL;
	struct bpf_map *map = object && argc > 2 ? bpf_object__find_map_by_name(object, argv[2]) : NULL;

	if (map)
		bpf_map__set_autocreate(map, false);
	return !object || bpf_object__load(object);
}
