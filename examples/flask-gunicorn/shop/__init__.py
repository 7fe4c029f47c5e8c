"""A shop in three versions, as three modules; a real one would be three builds."""
