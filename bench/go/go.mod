module seconder.dev/bench

go 1.26
