-- Which endpoint a request is for. Endpoints are in endpoints/, one file each: a method,
-- a path in which a step may be a `{name}`, a shape of the body (none where there is no
-- body) and of the query, whether it survives the end of the others, and what to do. A
-- new one is added to the list below.
-- Does not know: what an endpoint does.

local routes = {}

local ENDPOINTS = { "auth", "verify", "refresh_session", "get_account", "update_account", "submit" }

local fixed, patterns = {}, {} -- paths without and with named steps

-- "/accounts/{address}/submit" -> "^/accounts/([^/]+)/submit$", {"address"}
local function compile(path)
  local names = {}
  local pattern = path:gsub("[%-%.]", "%%%0"):gsub("{(%w+)}", function(name)
    names[#names + 1] = name
    return "([^/]+)"
  end)
  return "^" .. pattern .. "$", names
end

local function add(endpoint)
  local route = fixed[endpoint.path]
  if not route then
    local pattern, names = compile(endpoint.path)
    route = { path = endpoint.path, pattern = pattern, names = names, methods = {} }
    fixed[endpoint.path] = route
    if names[1] then patterns[#patterns + 1] = route end
  end
  route.methods[endpoint.method] = endpoint
end

for _, name in ipairs(ENDPOINTS) do add(require("sandbox.endpoints." .. name)) end

--- The route of a path and the values of its named steps, or nil.
---@return {path: string, methods: table<string, table>}|nil, table<string, string>|nil
function routes.find(path)
  local exact = fixed[path]
  if exact and not exact.names[1] then return exact, {} end
  for _, route in ipairs(patterns) do
    local steps = { path:match(route.pattern) }
    if steps[1] then
      local values = {}
      for i, name in ipairs(route.names) do values[name] = steps[i] end
      return route, values
    end
  end
end

--- The methods of a route, for people.
function routes.methods(route)
  local names = {}
  for name in pairs(route.methods) do names[#names + 1] = name end
  table.sort(names)
  return table.concat(names, " or ")
end

return routes
