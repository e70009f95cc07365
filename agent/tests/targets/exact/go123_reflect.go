//go:build !go1.24

package main

// reflectDeleteIsCall: deleting by reflection a key that is no string calls runtime.mapdelete.
const reflectDeleteIsCall = true
