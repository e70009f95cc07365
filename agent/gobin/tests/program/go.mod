module example.com/goroscope/program

go 1.19
