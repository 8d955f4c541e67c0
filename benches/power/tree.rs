//! A simulated machine: files as the kernel has them, in a folder.

use std::fs;
use std::path::Path;

/// Processes in services that work on, on four cores with a disk and a network interface.
pub struct Tree {
    dir: tempfile::TempDir,
    processes: usize,
    services: usize,
    /// Hundredths of a second that each process has had.
    ticks: u64,
}

impl Tree {
    pub fn new(processes: usize, services: usize) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut tree = Self {
            dir,
            processes,
            services,
            ticks: 0,
        };
        tree.put(
            "sys/fs/cgroup/cgroup.controllers",
            "cpuset cpu io memory pids\n",
        );
        for process in 0..processes {
            let group = process % services;
            let path = format!("proc/{}/cgroup", 1000 + process);
            tree.put(&path, &format!("0::/system.slice/service{group}.service\n"));
        }
        for core in 0..4 {
            let path = format!("sys/devices/system/cpu/cpu{core}/cpufreq");
            tree.put(&format!("{path}/scaling_cur_freq"), "2400000\n");
            tree.put(&format!("{path}/cpuinfo_max_freq"), "3600000\n");
        }
        fs::create_dir_all(tree.path().join("sys/block/sda")).unwrap();
        tree.work();
        tree
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    fn put(&self, path: &str, text: &str) {
        let path = self.dir.path().join(path);
        if let Some(dir) = path.parent() {
            fs::create_dir_all(dir).unwrap();
        }
        fs::write(path, text).unwrap();
    }

    /// Ten seconds go by: every process has had a little.
    pub fn work(&mut self) {
        self.ticks += 2;
        let ticks = self.ticks;
        for process in 0..self.processes {
            let pid = 1000 + process;
            let stat = format!(
                "{pid} (worker{}) S 1 {pid} {pid} 0 -1 4194560 9 9 9 9 {ticks} {ticks} 0 0 20 0 1 \
                 0 {pid} 9999999 900 18446744073709551615 1 1 0 0 0 0 0 0 0 0 0 0 17 {} 0 0 0 0 0\n",
                process % 7,
                process % 4
            );
            self.put(&format!("proc/{pid}/stat"), &stat);
            let io = format!("rchar: 5\nread_bytes: {}\nwrite_bytes: 0\n", ticks * 512);
            self.put(&format!("proc/{pid}/io"), &io);
        }
        let each = (self.processes / self.services) as u64;
        for service in 0..self.services {
            let group = format!("sys/fs/cgroup/system.slice/service{service}.service");
            let stat = format!("usage_usec {}\nuser_usec 0\n", each * ticks * 20_000);
            self.put(&format!("{group}/cpu.stat"), &stat);
            let io = format!("8:0 rbytes={} wbytes=0 rios=1\n", each * ticks * 512);
            self.put(&format!("{group}/io.stat"), &io);
        }
        let all = self.processes as u64 * ticks * 2;
        let idle = ticks * 1000;
        let mut stat = format!("cpu  {all} 0 0 {idle} 0 0 0 0 0 0\n");
        for core in 0..4 {
            stat += &format!("cpu{core} {} 0 0 {} 0 0 0 0 0 0\n", all / 4, idle / 4);
        }
        stat += "ctxt 5\nbtime 1700000000\nprocesses 9000\nprocs_running 2\nprocs_blocked 0\n";
        self.put("proc/stat", &stat);
        let sectors = self.processes as u64 * ticks;
        let disk = format!("   8       0 sda 9 0 {sectors} {ticks} 9 0 0 0 0 {ticks} 5\n");
        self.put("proc/diskstats", &disk);
        let net = format!(
            "Inter-|   Receive                    |  Transmit\n face |bytes packets errs drop fifo \
             frame compressed multicast|bytes packets errs drop fifo colls carrier compressed\n  \
             eth0: {} 9 0 0 0 0 0 0 {} 9 0 0 0 0 0 0\n",
            ticks * 1000,
            ticks * 900
        );
        self.put("proc/net/dev", &net);
    }
}
