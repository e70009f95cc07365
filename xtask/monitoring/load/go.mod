module goroscope.example/load

go 1.21
