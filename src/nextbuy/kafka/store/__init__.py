"""SQL of the kafka service's tables; the kit stores dead letters."""
