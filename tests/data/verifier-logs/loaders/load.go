// SPDX-License-Identifier: Apache-2.0

// Loads an object with github.com/cilium/ebpf, and prints the error as %v, and what it wraps as %+v.
package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/cilium/ebpf"
)

func main() {
	spec, err := ebpf.LoadCollectionSpec(os.Args[1])
	if err == nil {
		_, err = ebpf.NewCollection(spec)
	}
	fmt.Printf("%v\n", err)
	var refused *ebpf.VerifierError
	if errors.As(err, &refused) {
		fmt.Fprintf(os.Stderr, "%+v\n", refused)
	}
}
