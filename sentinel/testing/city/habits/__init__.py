"""What goes on in the model city, a module each: `happen(tick)` yields the lines of a stretch of time."""
