-- Runs one client on the VM that runs this. `drive.lua NAME CALLS` prints the seconds,
-- and the seconds of processor of this process and of those it started, of the second of
-- two equal rounds; `drive.lua NAME CALLS count` makes one round, for callgrind;
-- `drive.lua NAME 0` only loads it, and fails when it is not installed.
-- Does not know: what is compared.

local proc = require "spec.support.proc"
local request = require "spec.bench.peers.request"
local socket = require "socket"

local name, calls, mode = arg[1], tonumber(arg[2]), arg[3]
local connect = require("spec.bench.peers." .. name)

local function processor() return os.clock() + proc.cpu_seconds_of_children "self" end

if calls > 0 then
  local call = connect(request)
  local function round()
    for _ = 1, calls do assert(call().data.kms_payload.session.Privy) end
  end
  round()
  if mode ~= "count" then
    local start, before = socket.gettime(), processor()
    round()
    print(socket.gettime() - start, processor() - before)
  end
end
