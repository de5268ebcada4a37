//! The shell programs of a build, with their parameters in front. They are files of their own beside this
//! one.

use std::time::Duration;

use super::{recipe::CXX_COMPILER, spec::ArtifactSpec};
use crate::host::{Facts, minify, quote, with_parameters};

/// How `build.sh` ends when something is wrong that is not make's fault.
pub(super) mod status {
    pub(in crate::artifact) const EXTRACT: i32 = 70;
    pub(in crate::artifact) const VERSION: i32 = 71;
    pub(in crate::artifact) const NO_SOURCE: i32 = 72;
    pub(in crate::artifact) const TOOLS: i32 = 73;
    pub(in crate::artifact) const HELD: i32 = 75;
}

/// How long a build waits for the work folder, which the make of a run that was killed may still hold.
pub(super) const WORK_FOLDER_TIMEOUT: Duration = Duration::from_mins(1);

/// The name of the file that marks a cache folder as made by provision, because there was none.
const OURS: &str = ".made-by-provision";

/// Compiles; `work` is the folder on the host.
pub(super) fn build(spec: &ArtifactSpec, facts: &Facts, work: &str) -> String {
    let recipe = &spec.recipe;
    let flags: Vec<String> = recipe.flags(&facts.arch).iter().map(|flag| quote(flag)).collect();
    let tools = if recipe.needs_cxx() { CXX_COMPILER } else { "" };
    let parameters = [
        ("work", work),
        ("wanted", &spec.title()),
        ("target", recipe.target()),
        ("cores", &facts.cores.max(1).to_string()),
        ("tools", tools),
        ("lock_timeout", &WORK_FOLDER_TIMEOUT.as_secs().to_string()),
    ];
    let program = format!("set -- {}\n{}", flags.join(" "), minify(include_str!("build.sh")));
    with_parameters(&parameters, &program)
}

/// Creates the work folder, empty but for the lock that guards it.
pub(super) fn prepare(cache: &str, work: &str) -> String {
    let parameters = [("cache", cache), ("ours", OURS), ("work", work)];
    with_parameters(&parameters, &minify(include_str!("prepare.sh")))
}

/// Removes the work folder, and on another machine than this one all that the build has left.
pub(super) fn tidy(cache: &str, work: &str, is_remote: bool) -> String {
    let remote = if is_remote { "yes" } else { "" };
    let parameters = [("cache", cache), ("ours", OURS), ("work", work), ("remote", remote)];
    with_parameters(&parameters, &minify(include_str!("tidy.sh")))
}

#[cfg(test)]
mod tests {
    use std::{fs, process::Command};

    use super::*;
    use crate::{
        artifact::{builders::tests::facts, spec::tests::spec},
        inventory::Engine,
    };

    #[expect(clippy::disallowed_methods, reason = "the shell is the oracle of a shell program")]
    fn sh(script: &str) -> (Option<i32>, String) {
        let output = Command::new("sh").args(["-c", script]).output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    }

    #[test]
    fn any_value_reaches_the_shell_as_it_is() {
        for value in ["", "plain", "two words", "it's", "$HOME `id` \"x\"", "a\nb", "*", "\\"] {
            let script = with_parameters(&[("value", value)], "printf '<%s>' \"$value\"");
            assert_eq!(sh(&script), (Some(0), format!("<{value}>")));
        }
    }

    #[test]
    fn the_build_gets_the_recipe() {
        let facts = facts("aarch64", "glibc 2.36", "gcc", 0);
        let script = build(&spec(Engine::Redis, "8.0.2"), &facts, "/w/it's");
        let head: Vec<&str> = script.lines().take(7).collect();
        assert_eq!(head[0], format!("work={}", quote("/w/it's")));
        assert_eq!(head[1], format!("wanted={}", quote("redis 8.0.2")));
        assert_eq!(head[2], format!("target={}", quote("redis-server")));
        assert_eq!(head[3], format!("cores={}", quote("1")), "an unknown number of cores is one");
        assert_eq!(head[4], format!("tools={}", quote("g++")));
        assert_eq!(head[5], format!("lock_timeout={}", quote("60")));
        assert!(head[6].starts_with("set -- ") && head[6].contains("--with-lg-page=16"), "{}", head[6]);
        let c_only = build(&spec(Engine::Valkey, "8.0.2"), &facts, "/w");
        assert!(c_only.contains(&format!("tools={}\n", quote(""))), "{c_only}");
    }

    #[test]
    fn the_comments_of_a_program_stay_here() {
        let script = build(&spec(Engine::Redis, "7.0.15"), &facts("x86_64", "glibc 2.36", "", 2), "/w");
        assert!(!script.lines().any(|line| line.starts_with('#')), "{script}");
        assert!(script.contains("\n*}\"\n"), "a line break inside a word is part of the program");
    }

    #[test]
    fn every_status_we_explain_is_one_the_program_ends_with() {
        use status::{EXTRACT, HELD, NO_SOURCE, TOOLS, VERSION};
        let program = include_str!("build.sh");
        for status in [EXTRACT, VERSION, NO_SOURCE, TOOLS, HELD] {
            assert_eq!(program.matches(&format!("exit {status}")).count(), 1, "{status}");
        }
    }

    #[test]
    fn a_cache_folder_that_was_there_stays_and_one_we_made_goes() {
        let home = tempfile::tempdir().unwrap();
        for (name, exists) in [("theirs", true), ("ours", false)] {
            let cache = home.path().join(name);
            if exists {
                fs::create_dir(&cache).unwrap();
            }
            let (cache_word, work) = (cache.to_str().unwrap(), cache.join("provision/build/x"));
            assert_eq!(sh(&prepare(cache_word, work.to_str().unwrap())).0, Some(0));
            assert!(work.is_dir());
            assert_eq!(sh(&tidy(cache_word, work.to_str().unwrap(), true)).0, Some(0));
            assert_eq!((cache.exists(), work.exists()), (exists, false), "{name}");
        }
    }

    #[test]
    fn tidying_leaves_what_others_keep_there() {
        let home = tempfile::tempdir().unwrap();
        let cache = home.path().join("cache");
        let root = cache.to_str().unwrap();
        let work = &format!("{root}/provision/build/x");
        sh(&prepare(root, work));
        fs::create_dir_all(cache.join("other")).unwrap();
        fs::create_dir_all(cache.join("provision/apt/lists")).unwrap();
        assert_eq!(sh(&tidy(root, work, false)).0, Some(0));
        assert!(cache.join("provision/apt/lists").is_dir(), "on this machine the lists are used again");
        assert_eq!(sh(&tidy(root, work, true)).0, Some(0));
        assert!(cache.join("other").is_dir() && !cache.join("provision").exists());
    }

    #[test]
    fn a_missing_tool_and_a_tarball_of_something_else_have_a_status_each() {
        let home = tempfile::tempdir().unwrap();
        let word = home.path().to_str().unwrap();
        let facts = facts("x86_64", "glibc 2.36", "", 2);
        let program = build(&spec(Engine::Redis, "7.0.15"), &facts, word);
        let no_tools = program.replacen("for tool in make cc tar", "for tool in no-such-tool", 1);
        assert_eq!(sh(&no_tools), (Some(status::TOOLS), "provision: missing no-such-tool\n".to_owned()));
        let program = program.replacen("for tool in make cc tar", "for tool in tar", 1);
        assert_eq!(sh(&program).0, Some(status::EXTRACT), "there is no tarball at all");
        sh(&format!("cd {} && : >hostname && tar -cf source.tar hostname", quote(word)));
        assert_eq!(sh(&program).0, Some(status::NO_SOURCE));
    }
}
