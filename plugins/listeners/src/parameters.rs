//! What a policy can set: services that the built-in catalogue lacks.

use loopgate_plugin::prelude::*;

use crate::catalogue::{self, Catalogue, Service, Transport};

/// The parameters of the plugin.
pub struct Settings {
    /// Every service to look for: those of the policy before those of the built-in catalogue.
    pub(crate) catalogue: Catalogue,
}

impl Parameters for Settings {
    fn read(reader: &mut Reader<'_>) -> Self {
        let about = "Services that the built-in catalogue lacks. They go before those that it has.";
        let mut services: Vec<Service> = reader.or("services", about, Vec::new());
        services.extend(catalogue::built_in());
        Self { catalogue: Catalogue::new(services) }
    }
}

impl Parameters for Service {
    fn read(reader: &mut Reader<'_>) -> Self {
        let service = Self {
            name: reader.required("name", "What it is, to be read after `is`: `Redis`, `a debugger`."),
            severity: reader.or("severity", "Severity beyond loopback; `high` unless set.", Severity::High),
            why: reader.or("why", "What it lets a stranger do, after `which`.", "the policy names".to_owned()),
            executables: reader.or(
                "executables",
                "File names of its executables, without folders; a `*` at the end stands for anything.",
                Vec::new(),
            ),
            units: reader.or("units", "Its systemd units, without `.service` and without `@instance`.", Vec::new()),
            words: reader.or("words", "Words of its command line where an interpreter runs it.", Vec::new()),
            options: reader.or("options", "Options, such as `--inspect`, that open its port.", Vec::new()),
            ports: reader.or("ports", "Ports to know it by where its owner says nothing.", Vec::new()),
            on_loopback: reader.optional("even_on_loopback", "Severity on loopback, if it is unsafe even there."),
            transport: Transport::Any,
            excluded_ports: Vec::new(),
            only_on_its_ports: false,
            remedy: None,
            references: Vec::new(),
        };
        service.check(reader);
        service
    }
}

impl Service {
    fn check(&self, reader: &mut Reader<'_>) {
        if self.name.trim().is_empty() {
            reader.reject("name", "a service needs a name");
        }
        let signs = [&self.executables, &self.units, &self.words, &self.options];
        if self.ports.is_empty() && signs.iter().all(|sign| sign.is_empty()) {
            reader.reject("name", "nothing to know it by: set executables, units, words, options or ports");
        }
        for (field, sign) in ["executables", "units", "words", "options"].iter().zip(signs) {
            // An empty sign, or `*` alone, would take every listener for this service.
            if sign.iter().any(|word| word.trim_matches(['*', ' ']).is_empty()) {
                reader.reject(field, "a sign without a character matches everything");
            }
        }
        if self.ports.contains(&0) {
            reader.reject("ports", "port 0 is not a port that a listener can have");
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::PLUGIN;

    #[test]
    fn a_service_needs_something_to_be_known_by() {
        let wrong = r#"{"services": [{"name": "x"}, {"name": "y", "executables": ["*"]}, {"name": "", "ports": [0]}]}"#;
        let problems = PLUGIN.configure(wrong).unwrap_err();
        let paths: Vec<_> = problems.iter().map(|problem| problem.path.as_str()).collect();
        assert_eq!(paths, ["/services/0/name", "/services/1/executables", "/services/2/name", "/services/2/ports"]);
    }

    #[test]
    fn services_of_the_policy_go_first() {
        let json = r#"{"services": [{"name": "ours", "executables": ["redis-server"], "even_on_loopback": "low"}]}"#;
        assert!(PLUGIN.configure(json).is_ok());
    }
}
