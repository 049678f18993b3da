//! Documents, and what they are lowered to.

use super::*;
