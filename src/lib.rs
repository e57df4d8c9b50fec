//! `moments`: customer events in, treatment commands out, each once.
