module goroscope.dev/cluster

go 1.23
