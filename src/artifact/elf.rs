//! What a binary needs of a host, read from the binary itself: a server that was compiled elsewhere must start here.

use std::{fmt, path::Path};

use object::{
    Endianness,
    elf::{self, FileHeader64},
    read::elf::{Dyn, FileHeader, ProgramHeader, SectionHeader},
};

use super::libc;
use crate::host::Facts;

/// What a binary needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ElfRequirements {
    /// As `uname -m` says it.
    pub arch: String,
    /// The program interpreter, which tells glibc from musl.
    pub interpreter: String,
    /// Shared libraries it is linked with.
    pub libraries: Vec<String>,
    /// The highest `GLIBC_` version of any symbol; `None` where there is none.
    pub glibc: Option<String>,
    /// The x86-64 level it was compiled for (`GNU_PROPERTY_X86_ISA_1_NEEDED`), 1 where it says nothing.
    pub level: u32,
}

/// Why a binary does not run on a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Incompatibility {
    Arch { needs: String, has: String },
    Libc { needs: String, has: String },
    Library { needs: String },
    Processor { needs: u32, has: u32 },
}

impl fmt::Display for Incompatibility {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Arch { needs, has } => write!(f, "it is for {needs}, and the host is {has}"),
            Self::Libc { needs, has } => write!(f, "it needs {needs}, and the host has {has}"),
            Self::Library { needs } => write!(f, "it needs {needs}, which the host does not have"),
            Self::Processor { needs, has } => {
                write!(f, "it needs x86-64-v{needs}, and the processor is x86-64-v{has}")
            }
        }
    }
}

impl ElfRequirements {
    /// Reads a binary. The error is a reason.
    pub fn of(path: &Path) -> Result<Self, String> {
        let bytes = std::fs::read(path).map_err(|error| error.to_string())?;
        Self::read(&bytes).map_err(|error| error.to_string())
    }

    fn read(bytes: &[u8]) -> object::Result<Self> {
        let header = FileHeader64::<Endianness>::parse(bytes)?;
        let endian = header.endian()?;
        let arch = match header.e_machine(endian) {
            elf::EM_X86_64 => "x86_64".to_owned(),
            elf::EM_AARCH64 => "aarch64".to_owned(),
            elf::EM_PPC64 => "ppc64le".to_owned(),
            elf::EM_S390 => "s390x".to_owned(),
            elf::EM_RISCV => "riscv64".to_owned(),
            elf::EM_LOONGARCH => "loongarch64".to_owned(),
            other => format!("ELF machine {other:?}"),
        };
        let mut interpreter = String::new();
        for segment in header.program_headers(endian, bytes)? {
            if let Some(path) = segment.interpreter(endian, bytes)? {
                interpreter = String::from_utf8_lossy(path).into_owned();
            }
        }
        let sections = header.sections(endian, bytes)?;
        let (mut libraries, mut glibc, mut level) = (Vec::new(), Vec::new(), 1);
        if let Some((entries, strings)) = sections.dynamic(endian, bytes)? {
            let strings = sections.strings(endian, bytes, strings)?;
            for entry in entries.iter().filter(|entry| entry.tag(endian) == elf::DT_NEEDED) {
                libraries.push(String::from_utf8_lossy(entry.string(endian, strings)?).into_owned());
            }
        }
        if let Some((mut needed, strings)) = sections.gnu_verneed(endian, bytes)? {
            let strings = sections.strings(endian, bytes, strings)?;
            while let Some((_, mut versions)) = needed.next()? {
                while let Some(version) = versions.next()? {
                    let name = String::from_utf8_lossy(version.name(endian, strings)?).into_owned();
                    glibc.extend(name.strip_prefix("GLIBC_").map(str::to_owned));
                }
            }
        }
        for section in sections.iter() {
            let Some(mut notes) = section.notes(endian, bytes)? else { continue };
            while let Some(note) = notes.next()? {
                let Some(mut properties) = note.gnu_properties(endian) else { continue };
                while let Some(property) = properties.next()? {
                    if property.pr_type() == elf::GNU_PROPERTY_X86_ISA_1_NEEDED {
                        // One bit a level, the baseline first.
                        level = property.data_u32(endian)?.checked_ilog2().map_or(1, |bit| bit + 1);
                    }
                }
            }
        }
        glibc.sort_by_key(|version| libc::version(&format!("glibc {version}")));
        Ok(Self { arch, interpreter, libraries, glibc: glibc.pop(), level })
    }

    /// Whether it runs on a host, and if not, why.
    pub fn fits(&self, facts: &Facts) -> Result<(), Incompatibility> {
        if self.arch != facts.arch {
            return Err(Incompatibility::Arch { needs: self.arch.clone(), has: facts.arch.clone() });
        }
        let kind = libc::kind(&facts.libc);
        let wanted = if self.interpreter.contains("musl") { "musl" } else { "glibc" };
        let needs =
            self.glibc.as_ref().map_or_else(|| wanted.to_owned(), |version| format!("glibc {version}"));
        let dynamic = !self.interpreter.is_empty();
        if dynamic && (kind != wanted || !libc::fits(&facts.libc, &needs)) {
            return Err(Incompatibility::Libc { needs, has: facts.libc.clone() });
        }
        if let Some(library) = self.libraries.iter().find(|library| !facts.has_library(library)) {
            return Err(Incompatibility::Library { needs: library.clone() });
        }
        if self.level > facts.level {
            return Err(Incompatibility::Processor { needs: self.level, has: facts.level });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::{artifact::builders::tests::facts, host::Facts};

    fn host(libc: &str) -> Facts {
        facts("x86_64", libc, "", 2)
    }

    fn needs() -> ElfRequirements {
        ElfRequirements {
            arch: "x86_64".to_owned(),
            interpreter: "/lib64/ld-linux-x86-64.so.2".to_owned(),
            libraries: vec!["libm.so.6".to_owned(), "libssl.so.3".to_owned()],
            glibc: Some("2.34".to_owned()),
            level: 2,
        }
    }

    #[test]
    fn each_misfit_is_named() {
        let good = Facts { level: 3, ..host("glibc 2.36") };
        assert_eq!(needs().fits(&good), Ok(()));
        let why = |facts: Facts| needs().fits(&facts).unwrap_err().to_string();
        assert_eq!(
            why(Facts { level: 3, ..host("glibc 2.17") }),
            "it needs glibc 2.34, and the host has glibc 2.17"
        );
        assert!(why(host("musl libc (x86_64) Version 1.2.4")).contains("the host has musl"));
        assert_eq!(why(host("glibc 2.36")), "it needs x86-64-v2, and the processor is x86-64-v1");
        let lacks = vec!["libssl.so.3".to_owned()];
        assert!(why(Facts { lacks, ..good.clone() }).contains("needs libssl.so.3"));
        assert!(why(Facts { arch: "aarch64".to_owned(), ..good }).contains("the host is aarch64"));
    }

    /// A program compiled here is read as `readelf` reads it.
    #[test]
    fn a_real_binary_is_read_as_readelf_reads_it() {
        let folder = tempfile::tempdir().unwrap();
        let (source, binary) = (folder.path().join("a.c"), folder.path().join("a"));
        let text = "#include <math.h>\n#include <stdio.h>\nint main(int c, char **v) { printf(\"%f\", pow(c, 0.5)); return 0; }\n";
        #[expect(clippy::disallowed_methods, reason = "a test's own file")]
        std::fs::write(&source, text).unwrap();
        #[expect(clippy::disallowed_methods, reason = "the real compiler and its oracle")]
        let run = |program: &str, args: &[&str]| Command::new(program).args(args).output().unwrap();
        let paths = [source.to_str().unwrap(), "-o", binary.to_str().unwrap(), "-lm"];
        assert!(run("cc", &[&paths[..], &["-Wl,-z,x86-64-v2"]].concat()).status.success());
        let needs = ElfRequirements::of(&binary).unwrap();
        let output = run("readelf", &["-dVn", binary.to_str().unwrap()]);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        for library in &needs.libraries {
            assert!(said.contains(&format!("[{library}]")), "{library} in {said}");
        }
        assert_eq!(said.matches("(NEEDED)").count(), needs.libraries.len());
        let glibc = needs.glibc.clone().unwrap();
        assert!(said.contains(&format!("GLIBC_{glibc}")), "{glibc} in {said}");
        assert_eq!((needs.level, needs.arch.as_str()), (2, "x86_64"));
        assert!(needs.interpreter.contains("ld-linux"));
    }
}
