//! Controls that would have two answers.

use insta::assert_snapshot;

use super::{assemble, loaded};
use crate::policy::diagnostic::tests::plain;
use crate::policy::layers::Layers;

#[test]
fn no_layer_answers_a_control_that_another_answers() {
    let upper = "schema = 1\n[plugins.listeners]\n[[frameworks]]\nname = \"F\"\nversion = \"1\"\n[[controls]]\n\
                 title = \"T\"\nids = { F = \"1.2\" }\nrules = [\"listeners/wildcard-bind\"]\n";
    let lower = "schema = 1\n[[frameworks]]\nname = \"F\"\nversion = \"2\"\ndistributions = [\"debian 12\"]\n\
                 [[controls]]\ntitle = \"U\"\nids = { F = \"1.2\", G = \"1\" }\nrules = [\"listeners/outside-bind\"]\n";
    let layers = Layers::of_texts(&[("org.toml", upper), ("repo.toml", lower)]);
    assert_snapshot!(plain(&assemble(&layers, loaded).unwrap_err()), @r"
    error: two frameworks are called `F`
     --> repo.toml:2:1
      |
    2 | [[frameworks]]
      | ^^^^^^^^^^^^^^
      |
     ::: org.toml:3:1
      |
    3 | [[frameworks]]
      | -------------- the other is here

    error: a control is of the unknown framework `G`
     --> repo.toml:6:1
      |
    6 | [[controls]]
      | ^^^^^^^^^^^^ no `[[frameworks]]` has this name

    error: two controls are F 1.2
     --> repo.toml:6:1
      |
    6 | [[controls]]
      | ^^^^^^^^^^^^
      |
     ::: org.toml:6:1
      |
    6 | [[controls]]
      | ------------ the other is here

    loopgate: 3 problems in repo.toml; nothing was judged
    ");
}
