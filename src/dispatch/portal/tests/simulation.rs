//! Hours of a portal's time with calls at random.
