-- The Lua suite once more, inside an nginx worker: `luajit spec/nginx/run_inside.lua
-- spec …`. Prints what busted prints there, and ends with its exit code. With --list, it
-- prints the specs that can run there.

local files = require "spec.support.files"
local nginx = require "spec.support.nginx"

-- What stays outside, and why.
local OUTSIDE = {
  ["spec/nginx/"] = "starts nginx itself",
  ["spec/sandbox"] = "is about the sandbox and does not call the library",
  ["spec/annotations_spec"] = "compares texts and makes no call",
  ["spec/setup"] = "runs shell scripts",
  ["spec/words"] = "runs a shell script",
  ["spec/command/"] = "runs the command, a program of its own",
  ["spec/store/file_processes_spec"] = "runs programs of their own",
  ["spec/store/redis"] = "starts a server, and runs programs of their own",
  ["spec/keeper/redis_spec"] = "runs programs of their own",
  ["spec/keeper/faults_spec"] = "runs programs of their own",
  ["spec/keeper/soak_spec"] = "runs programs of their own",
  ["spec/keeper/processes_spec"] = "runs programs of their own",
  ["spec/keeper/model_spec"] = "computes for a minute, and makes no call",
  ["spec/regress/005"] = "runs programs of their own",
  ["spec/demo_spec"] = "runs a program of its own",
  ["spec/readme/"] = "runs programs of their own",
  ["spec/pages_spec"] = "runs programs of their own",
  ["spec/hosts_spec"] = "is about other event loops, which would block nginx's",
  ["spec/core/"] = "waits in the engine itself, which is what plain Lua does and nginx must not",
}

local function is_outside(path)
  for prefix in pairs(OUTSIDE) do
    if path:sub(1, #prefix) == prefix then return true end
  end
  return false
end

local function specs()
  local list, pipe = {}, assert(io.popen "find spec -name '*_spec.lua' | sort")
  for path in pipe:lines() do
    if not is_outside(path) then list[#list + 1] = path end
  end
  pipe:close()
  return list
end

local function words(list)
  local parts = {}
  for i, word in ipairs(list) do parts[i] = ("%q"):format(word) end
  return table.concat(parts, ", ")
end

-- nginx hides its environment from workers, but specs start programs.
local function environment(...)
  local variables = {}
  for _, name in ipairs { ... } do variables[name] = os.getenv(name) end
  return variables
end

if arg[1] == "--list" then
  print(table.concat(specs(), "\n"))
  os.exit()
end

local server = nginx.start {
  env = environment("PATH", "HOME", "LUA_PATH", "LUA_CPATH", "NGINX"),
  locations = ([[
    location = /run {
      content_by_lua_block {
        ngx.say("exit ", require("spec.nginx.inside").run {
          "--output=plainTerminal", "--exclude-tags=slow", "--helper=spec/nginx/note_current.lua", SPECS
        })
      }
    }]]):gsub("SPECS", (words(arg))),
}
-- By curl, which sees where the answer ends: the sandbox that the specs share inherits
-- the connection and keeps it open.
local answer = server:get("/run", "--max-time 600 --http1.1") or ""
local output, current = files.read(server.dir .. "/stdout"), files.read(server.dir .. "/current")
local code, log = server:stop()
local alarms = nginx.alarms(log)
io.write(output)
if answer == "" then print("\nThe run did not end. The test that was running: " .. current) end
if alarms ~= "" or code ~= 0 then print("nginx ended with " .. tostring(code) .. "\n" .. alarms) end
os.exit(answer == "exit 0\n" and alarms == "" and code == 0 and 0 or 1)
