//! What wit-bindgen makes of the contract in `wit/`.

wit_bindgen::generate!({
    path: "wit",
    world: "policy-plugin",
    pub_export_macro: true,
    default_bindings_module: "loopgate_plugin::bindings",
    additional_derives: [PartialEq],
});
