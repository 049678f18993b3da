//! Is built for a version of the contract that does not exist yet.

mod bindings {
    wit_bindgen::generate!({ path: "wit/future", world: "policy-plugin" });
}

pub struct FutureVersion;

impl bindings::exports::loopgate::policy::rules::Guest for FutureVersion {
    fn describe() -> String {
        "from the future".to_owned()
    }
}

#[cfg(target_arch = "wasm32")]
bindings::export!(FutureVersion with_types_in bindings);
