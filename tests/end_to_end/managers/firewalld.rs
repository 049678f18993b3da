//! firewalld, with a configuration, a message bus and a folder of run-time files of its own.
