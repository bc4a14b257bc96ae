"""SQL of the kafka service's tables, except dead letters, which the kit stores."""
